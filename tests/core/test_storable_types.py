"""Tests of the types of fields: records with all storable types are written, changed and read; others are refused."""

import enum
import re
import uuid
import zoneinfo
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from anyio.from_thread import BlockingPortal
from beanie import DecimalAnnotation, Document, PydanticObjectId
from bson import ObjectId
from pydantic import (
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    FutureDate,
    HttpUrl,
    IPvAnyAddress,
    Json,
    JsonValue,
    NaiveDatetime,
    NameEmail,
    PostgresDsn,
    RootModel,
    Secret,
    SecretStr,
    Strict,
    create_model,
)
from pymongo import IndexModel

from core.api import Versioned
from core.api.optimistic_locking import change_if
from core.database import unstorable_fields
from core.errors import StartupError
from core.module import Module
from tests.conftest import AppClient
from tests.core.stubs import stub


class Level(enum.Enum):
    LOW = "low"
    HIGH = 2


class Kind(enum.StrEnum):
    ONE = "one"
    TWO = "two"


class Place(NamedTuple):
    floor: int
    since: date


class Room(BaseModel):
    opened: date
    number: int = Field(alias="no")


class Dates(RootModel[list[date]]):
    pass


@dataclass
class Point:
    x: int = 0


DAY, NEXT = date(2026, 11, 22), date(2026, 11, 23)
TIME, LATER = datetime(2026, 11, 22, 9, 30, 0, 125000, UTC), datetime(1, 1, 1, tzinfo=UTC)

STORABLE: dict[str, tuple[Any, Any, Any]] = {
    "boolean": (bool, True, False),
    "integer": (int, 2**63 - 1, -(2**63)),
    "number": (float, 1.5, -1e300),
    "text": (str, "a", "é\u0000"),
    "data": (bytes, b"\xff", b""),
    "instant": (datetime, TIME, LATER),
    "aware": (AwareDatetime, TIME, LATER),
    "day": (date, DAY, date.max),
    "optional_day": (date | None, DAY, None),
    "duration": (timedelta, timedelta(days=1, milliseconds=5), timedelta(0)),
    "identity": (uuid.UUID, uuid.UUID(int=7), uuid.UUID(bytes=b"0" * 16)),
    "object_id": (PydanticObjectId, PydanticObjectId("0" * 24), PydanticObjectId("1" * 24)),
    "price": (DecimalAnnotation, Decimal("1.10"), Decimal("-" + "9" * 34)),
    "prices": (list[DecimalAnnotation], [Decimal("0.1")], [Decimal(0)]),
    "level": (Level, Level.LOW, Level.HIGH),
    "kind": (Kind, Kind.ONE, Kind.TWO),
    "choice": (Literal["a", 1], "a", 1),
    "url": (HttpUrl, HttpUrl("https://a.example/"), HttpUrl("https://b.example/?x=1")),
    "any_url": (AnyUrl, AnyUrl("ftp://a.example/"), AnyUrl("file:///a")),
    "email": (EmailStr, "a@example.com", "b@example.com"),
    "path": (Path, Path("/a"), Path("b")),
    "address": (IPv4Address, IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")),
    "network": (IPv4Network, IPv4Network("192.0.2.0/24"), IPv4Network("192.0.2.0/30")),
    "any_address": (IPvAnyAddress, IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")),
    "secret": (SecretStr, SecretStr("a"), SecretStr("b")),
    "tags": (set[str], {"a", "b"}, set()),
    "frozen": (frozenset[date], frozenset([DAY]), frozenset([NEXT])),
    "days": (list[date], [DAY, NEXT], []),
    "pair": (tuple[int, date], (1, DAY), (2, NEXT)),
    "queue": (deque[int], deque([1]), deque([2])),
    "several": (Sequence[uuid.UUID], [uuid.UUID(int=1)], [uuid.UUID(int=2)]),
    "group": (Set[int], {1}, {2}),
    "counts": (Counter[str], Counter("aab"), Counter("b")),
    "by_name": (Mapping[str, timedelta], {"a": timedelta(1)}, {"b.c": timedelta(2)}),
    "by_day": (dict[date, set[str]], {DAY: {"a"}}, {NEXT: {"b"}}),
    "by_number": (dict[int, HttpUrl], {1: HttpUrl("https://a.example/")}, {}),
    "by_kind": (dict[Kind, int], {Kind.ONE: 1}, {Kind.TWO: 2}),
    "by_identity": (dict[uuid.UUID, int], {uuid.UUID(int=1): 1}, {}),
    "room": (Room, Room(opened=DAY, no=1), Room(opened=NEXT, no=2)),
    "rooms": (dict[str, list[Room]], {"a": [Room(opened=DAY, no=1)]}, {"b": []}),
    "place": (Place, Place(1, DAY), Place(2, NEXT)),
    "dates": (Dates, Dates([DAY]), Dates([NEXT])),
    "anything": (Any, {"a": [1, None]}, "b"),
    "free": (JsonValue, {"a": [1, None]}, 1.5),
    "either": (date | int, DAY, 5),
    "day_or_text": (date | str, DAY, "2026-11-22"),
    "identity_or_text": (uuid.UUID | str, uuid.UUID(int=7), str(uuid.UUID(int=7))),
    "kind_or_number": (Kind | int, Kind.ONE, 5),
    "secret_or_number": (SecretStr | int, SecretStr("a"), 5),
    "one_or_several": (str | list[str], "a", ["a"]),
}
"""Types with two values each."""


class _Stored(Versioned):
    class Settings:
        name = "everything"


FIELDS: dict[str, Any] = {name: (kind, ...) for name, (kind, *_) in STORABLE.items()}
Everything = create_model("Everything", __base__=_Stored, **FIELDS)


class Sparse(Versioned):
    """A record with absent fields, an alias, and a type that it encodes itself."""

    model_config = ConfigDict(populate_by_name=True)

    code: str | None = None
    opens: Annotated[date | None, Field(alias="from")] = None
    at: time | None = None

    class Settings:
        name = "sparse"
        keep_nulls = False
        bson_encoders = {time: str}
        indexes = [IndexModel("code", name="code_unique", unique=True, sparse=True)]


@pytest.fixture(params=["mongod", "memory"])
def portal(request: pytest.FixtureRequest, open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> BlockingPortal:
    """Return a portal to run coroutines in an app with the collections: once on the real mongod, once in memory."""
    changes: dict[str, object] = {}
    if request.param == "memory":
        monkeypatch.setattr("core.database.client.find_mongod", lambda *_: None)
        changes = {"mongodb_url": None, "allow_memory_db": True}
    portal = open_client([stub(documents=(Everything, Sparse))], **changes).portal
    assert portal
    return portal


def fields_of(record: Document) -> dict[str, Any]:
    found = {name: getattr(record, name) for name in STORABLE}
    return {**found, "data": bytes(found["data"])}  # in memory, a `Binary`


def test_every_storable_type_is_written_changed_and_read(portal: BlockingPortal) -> None:
    first = {name: value for name, (_, value, _) in STORABLE.items()}
    second = {name: value for name, (_, _, value) in STORABLE.items()}

    async def only() -> Any:
        (record,) = await Everything.find_all().to_list()
        return record

    written = portal.call(Everything(**first).insert)
    assert fields_of(portal.call(only)) == first
    changed = portal.call(written.change, second)
    assert fields_of(changed) == second
    assert portal.call(only) == changed
    again = portal.call(changed.change, Everything(**first).model_dump(include=set(STORABLE), by_alias=True))
    assert fields_of(again) == first
    filtered = {"_id": again.id, "day": DAY, "identity": first["identity"], "tags": {"$in": first["tags"]}}
    assert portal.call(change_if, Everything, filtered, {"$set": {"days": [NEXT], "duration": timedelta(3)}})
    assert (portal.call(only).days, portal.call(only).duration) == ([NEXT], timedelta(3))


def test_a_change_stores_what_an_insert_would(portal: BlockingPortal) -> None:
    async def stored() -> list[dict[str, Any]]:
        found = (
            await Sparse.get_motor_collection()
            .find({}, {"_id": 0, "code": 1, "from": 1, "opens": 1, "at": 1})
            .to_list(2)
        )
        return [dict(one) for one in found]

    new = {"code": "A", "opens": DAY, "at": time(9, 30)}
    record = portal.call(Sparse(**new).insert)
    inserted = portal.call(stored)
    assert portal.call(Sparse().insert)
    empty = portal.call(record.change, {"code": None, "opens": None, "at": None})
    assert portal.call(stored) == [{}, {}], "absent, so that the sparse index does not contain them"
    full = portal.call(empty.change, {**new, "unknown": 1})
    assert portal.call(stored) == [*inserted, {}]
    assert (full.code, full.opens, full.at) == ("A", DAY, time(9, 30))


def test_a_change_to_an_invalid_value_is_refused(portal: BlockingPortal) -> None:
    record = portal.call(Sparse(code="A").insert)
    with pytest.raises(ValueError, match="code"):
        portal.call(record.change, {"code": 7})


REFUSED: list[tuple[Any, str]] = [
    (time, "time"),
    (time | None, "time"),
    (list[dict[str, time]], "time"),
    (Decimal, "Decimal"),
    (Annotated[Decimal, Field(max_digits=5)], "Decimal"),
    (dict[str, Decimal | None], "Decimal"),
    (complex, "complex"),
    (Fraction, "Fraction"),
    (Point, "Point"),
    (list[Point], "Point"),
    (re.Pattern[str], "Pattern"),
    (zoneinfo.ZoneInfo, "ZoneInfo"),
    (list[zoneinfo.ZoneInfo], "ZoneInfo"),
    (PostgresDsn, "MultiHostUrl"),
    (NameEmail, "NameEmail"),
    (Secret[date], "Secret"),
    (NaiveDatetime, "NaiveDatetime"),
    (FutureDate, "FutureDate"),
    (Callable[[], int], "Callable"),
    (type[int], "type"),
    (Iterable[int], "Iterable"),
    (Json[list[int]], "Json"),
    (Base64Bytes, "Base64"),
    (enum.Enum("Pair", {"A": (1, 2)}), "Pair"),
    (enum.Enum("Day", {"A": DAY}), "Day"),
    (Literal[Kind.ONE], "a Literal of an Enum"),
    (dict[Level, int], "a dict with such keys"),
    (dict[bytes, int], "a dict with such keys"),
    (dict[tuple[int, int], int], "a dict with such keys"),
    (dict[str | None, int], "a dict with such keys"),
    (Annotated[date, Strict()], "a strict date"),
    (Annotated[set[int], Strict()], "a strict set"),
    (date | datetime, "a union of types of which one is stored as the other"),
    (dict[Any, int], "a dict with such keys"),
    (dict, "a dict with such keys"),
    *(
        (union, "a union of types of which one is stored as the other")
        for union in (
            timedelta | float,
            datetime | timedelta,
            date | timedelta,
            HttpUrl | str,
            str | HttpUrl | None,
            Path | str,
            IPv4Address | str,
            Kind | str,
            Level | int,
            set[int] | list[int],
            tuple[int, ...] | list[int],
            frozenset[int] | set[int],
            Place | list[int],
        )
    ),
]


@pytest.mark.parametrize(("kind", "named"), REFUSED, ids=str)
def test_a_type_that_cannot_be_stored_is_refused(kind: Any, named: str) -> None:
    document = create_model("Refused", __base__=Document, kept=(str, ...), wrong=(kind, ...))
    assert unstorable_fields(document) == {"wrong": named}
    inner: Any = create_model("Inner", wrong=(kind, ...))
    nested = create_model("Nested", __base__=Document, inner=(list[inner], ...))
    assert unstorable_fields(nested) == {"inner.wrong": named}


class Described(Document):
    """A document whose core schema has references to the definition of the enumeration."""

    kind: Annotated[Kind, Field(description="A kind.")]
    text: Annotated[Kind, Field(description="A kind.")] | str
    texts: list[Annotated[Kind, Field(description="A kind.")] | str | None]


def test_an_enumeration_with_a_description_is_refused_where_it_is_wrong() -> None:
    union = "a union of types of which one is stored as the other"
    assert unstorable_fields(Described) == {"text": union, "texts": union}


class Thing:
    """A class that pydantic does not know."""


class Opening(Document):
    at: time


class Encoded(Opening):
    class Settings:
        bson_encoders = {time: str}


class Lax(Document):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    thing: Thing
    object_id: ObjectId


class Rigid(Document):
    model_config = ConfigDict(strict=True)

    day: date


def test_an_arbitrary_class_is_refused() -> None:
    assert unstorable_fields(Lax) == {"thing": "Thing"}


def test_a_strict_model_cannot_have_converted_types() -> None:
    assert unstorable_fields(Rigid) == {"day": "a strict date"}


def test_a_module_with_an_unstorable_field_is_refused_by_name() -> None:
    with pytest.raises(
        StartupError, match=r"test_storable_types\.py, line \d+: the field at of Opening .*: time\. Use"
    ):
        Module(name="one", documents=(Opening,))
    Module(name="one", documents=(Encoded,))
