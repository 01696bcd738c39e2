"""Tests of the types of fields: what they accept, how errors are reported, stored and sorted."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from beanie import Document
from bson import Decimal128
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pymongo import MongoClient

from core.api.error_codes import ERROR_CODES
from core.api.field_types import Choice, Day, DecimalField, Email, TimeOfDay, day_sort_key, decimal_sort_key
from core.api.pagination import Listing, PageQuery
from core.api.request_body import RequestBody
from core.api.validation_messages import code_of, sentence_of
from core.database.client import open_database
from core.database.keyset import SortKey, Window
from core.errors import StartupError
from core.routing.router import PublicRouter
from core.settings import Settings
from tests.contract.messages import is_of_a_library
from tests.core.stubs import stub, unstarted_client


class State(Choice):
    OPEN = "open"
    SHUT = "shut"


Grade = Annotated[Decimal, DecimalField(ge=0, le=10, decimal_places=2, example=7.25)]
TYPES: dict[str, Any] = {"day": Day, "starts": TimeOfDay, "grade": Grade, "contact": Email, "state": State}


class CourseBody(RequestBody):
    day: Day
    starts: TimeOfDay
    grade: Grade
    contact: Email
    state: State


class CourseAnswer(BaseModel):
    day: Day
    starts: TimeOfDay
    grade: Grade
    contact: Email
    state: State


class Course(Document):
    day: Day
    starts: TimeOfDay
    grade: Grade
    contact: Email
    state: State

    class Settings:
        name = "courses_of_every_type"


EXAMPLE: dict[str, Any] = {
    "day": "2026-11-22",
    "starts": "09:30",
    "grade": 7.25,
    "contact": "alice@example.com",
    "state": "open",
}


@pytest.mark.parametrize(
    ("kind", "sent", "kept"),
    [
        ("day", "2026-11-22", date(2026, 11, 22)),
        ("day", "0001-01-01", date(1, 1, 1)),
        ("day", date(2026, 11, 22), date(2026, 11, 22)),
        ("day", datetime(2026, 11, 22, tzinfo=UTC), date(2026, 11, 22)),
        ("starts", "00:00", "00:00"),
        ("starts", "23:59", "23:59"),
        ("grade", 7, Decimal(7)),
        ("grade", 0.1, Decimal("0.1")),
        ("grade", "7.50", Decimal("7.50")),
        ("grade", Decimal128("7.5"), Decimal("7.5")),
        ("contact", "alice@school.local", "alice@school.local"),
        ("state", "open", State.OPEN),
    ],
)
def test_a_valid_value_is_accepted(kind: str, sent: object, kept: object) -> None:
    value = TypeAdapter[Any](TYPES[kind]).validate_python(sent)
    assert (value, type(value)) == (kept, type(kept))


MIDNIGHT_IN_TEXT, MORNING = "2026-11-22T00:00:00Z", datetime(2026, 11, 22, 9, tzinfo=UTC)
NO_DAYS: list[Any] = [
    86400,
    "86400",
    1.5,
    True,
    None,
    MIDNIGHT_IN_TEXT,
    MORNING,
    " 2026-11-22",
    "2026-11-22\n",
    "20261122",
]
NO_DAYS += ["2026-02-30", "2026-1-2", "10000-01-01", "0000-01-01", "\uff12026-11-22"]
NO_TIMES: list[Any] = [930, 34200, None, "24:00", "9:30", "09:60", "09:30:00", "09:30Z"]
NO_NUMBERS: list[Any] = [True, None, [], "NaN", "1e1", "1_0", " 7", "", float("nan"), float("inf")]
WRONG: list[tuple[str, Any, str]] = [
    *(("day", value, "date_type") for value in NO_DAYS),
    *(("starts", value, "time_type") for value in NO_TIMES),
    *(("grade", value, "number_type") for value in NO_NUMBERS),
    ("grade", 10.01, "less_than_equal"),
    ("grade", -1, "greater_than_equal"),
    ("grade", 1.234, "decimal_max_places"),
    ("grade", 10**20, "decimal_max_digits"),
    *(("contact", value, "email") for value in ("", "alice", "Alice <alice@example.com>")),
    ("contact", 1, "string_type"),
    *(("state", value, "choice") for value in ("", "OPEN", "new", 0, None)),
]


@pytest.mark.parametrize("kind", [Decimal | None, float, int, list[Decimal]])
def test_a_decimal_field_of_another_type_than_decimal_is_refused(kind: Any) -> None:
    """It would accept numbers only: no null, which is also stored if the field has a default."""
    with pytest.raises(
        StartupError, match=r"DecimalField is for Decimal.*`Annotated\[Decimal, DecimalField\(…\)\] \| "
    ):
        TypeAdapter[Any](Annotated[kind, DecimalField(ge=0)])


def test_a_decimal_field_can_be_absent() -> None:
    optional = TypeAdapter[Any](Annotated[Annotated[Decimal, DecimalField(ge=0)] | None, Field(description="A grade")])
    assert (optional.validate_python(None), optional.validate_python(7)) == (None, Decimal(7))


@pytest.mark.parametrize(("kind", "sent", "code"), WRONG)
def test_another_value_is_refused_in_our_own_words(kind: str, sent: object, code: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter[Any](TYPES[kind]).validate_python(sent)
    (error,) = raised.value.errors()
    assert code_of(error) == code
    assert code in ERROR_CODES
    assert not is_of_a_library(sentence_of(error))


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_each_type_is_documented_with_an_example(mode: Any) -> None:
    document = TypeAdapter(CourseAnswer).json_schema(mode=mode)
    schemas = document["properties"] | {"state": document["$defs"]["State"]}
    assert {name: schema["examples"] for name, schema in schemas.items()} == {
        name: [value] for name, value in EXAMPLE.items()
    }
    assert (schemas["day"]["format"], schemas["starts"]["pattern"][-1]) == ("date", "$")
    assert schemas["grade"]["type"] == "number"
    if mode == "validation":
        assert (schemas["grade"]["minimum"], schemas["grade"]["maximum"]) == (0, 10)


def test_a_record_is_sent_as_it_was_received() -> None:
    router = PublicRouter()

    @router.post("/courses")
    async def create(course: CourseBody) -> CourseAnswer:
        """Create a course."""
        return CourseAnswer.model_validate(course.model_dump())

    @router.get("/courses")
    async def list_(day: Day) -> str:
        """List the courses of a day."""
        return day.isoformat()

    client = unstarted_client(stub(public_router=router))
    assert client.post("/courses", json=EXAMPLE).json() == EXAMPLE
    (error,) = client.post("/courses", json=EXAMPLE | {"day": 86400}).json()["errors"]
    expected = {"code": "date_type", "detail": "This must be a date, such as 2026-11-22.", "pointer": "#/day"}
    assert error == expected
    assert client.get("/courses", params={"day": "2026-11-22"}).json() == "2026-11-22"
    (error,) = client.get("/courses", params={"day": "86400"}).json()["errors"]
    assert error["code"] == "date_type"


RECORDS = [
    EXAMPLE | {"day": day, "grade": grade, "starts": starts}
    for day, grade, starts in [
        ("0999-12-31", 10, "09:30"),
        ("2026-01-31", 9.5, "10:00"),
        ("2026-02-01", 0, "00:00"),
        ("2026-11-22", 0.1, "23:59"),
    ]
]
ORDERS = {
    "day": (day_sort_key("day"),),
    "day, descending": (day_sort_key("day", descending=True),),
    "grade": (decimal_sort_key("grade"),),
    "starts": (SortKey("starts"),),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", ORDERS)
async def test_records_are_stored_read_and_listed_in_order(
    name: str, settings: Settings, mongodb: MongoClient[dict[str, Any]]
) -> None:
    listing = Listing(name, ORDERS[name])
    field = listing.order[0].path
    async with open_database(settings) as database:
        await database.bind([Course])
        for record in RECORDS:
            await Course.model_validate(record).insert()
        seen = await read_all(listing)
    expected = sorted((str(Course.model_validate(one).model_dump()[field]) for one in RECORDS), key=sort_value)
    assert [str(one.model_dump()[field]) for one in seen] == expected[:: -1 if "descending" in name else 1]
    stored = mongodb[settings.mongodb_database].courses_of_every_type.find_one({"starts": "09:30"})
    assert stored
    assert (stored["day"], stored["grade"]) == (datetime(999, 12, 31, tzinfo=UTC), Decimal128("10"))


def sort_value(text: str) -> Any:
    return Decimal(text) if text.replace(".", "").isdigit() else text


async def read_all(listing: Listing) -> list[Course]:
    """Read a list in pages of one record, each with the position that a cursor of the last one has."""
    found: list[Course] = []
    window = listing.window(PageQuery(limit=1))
    while True:
        page = window.page(await Course.find(window.filter).sort(window.sort).limit(2).to_list())
        found += page.items
        if not page.has_next:
            return found
        cursor = listing._cursor(page.items[-1], backwards=False)
        window = listing.window(PageQuery(limit=1, cursor=cursor))
        assert isinstance(window, Window)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        (day_sort_key("day"), datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22"),
        (decimal_sort_key("grade"), Decimal128("7.5"), "7.5"),
        (decimal_sort_key("grade"), Decimal("1E+2"), "100"),
    ],
)
def test_a_value_that_was_read_without_a_document_makes_the_same_cursor(key: SortKey, value: Any, text: str) -> None:
    assert key.write(value) == text
    assert key.write(key.parse(text)) == text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((day_sort_key("day"), text) for text in ("", "x", "2026-02-30", "86400")),
        *((decimal_sort_key("grade"), text) for text in ("", "x", "NaN", "1e5", "9" * 40)),
    ],
)
def test_a_forged_value_of_a_cursor_is_refused(key: SortKey, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$|out of range"):
        key.parse(text)
