"""Tests of the creation of indexes: every index that a document declares exists after the start."""

from typing import Annotated, Any

import pytest
from anyio.from_thread import BlockingPortal
from beanie import Document, Indexed, Link
from pydantic import BaseModel, ConfigDict, Field, RootModel
from pymongo import DESCENDING, IndexModel, MongoClient
from pymongo.errors import DuplicateKeyError

from core.database import collection, declared_indexes
from core.errors import StartupError
from core.module import Module
from core.settings import Settings
from tests.conftest import AppClient
from tests.core.stubs import stub


class Attendance(Document):
    """Has two indexes over the same fields in another order, and two over the same field at different places."""

    student: str
    day: str
    place: Annotated[str, Indexed(unique=True)]
    room: Indexed(str, DESCENDING)  # type: ignore[valid-type]  # Beanie's own notation

    class Settings:
        name = "indexed_attendance"
        indexes = [
            IndexModel([("student", 1), ("day", 1)], name="once_a_day", unique=True),
            IndexModel([("day", 1), ("student", 1)], name="by_day"),
            IndexModel([("day", -1), ("student", 1)], name="by_day_falling"),
            IndexModel("place", name="by_place", sparse=True),
            "day",
            [("room", 1), ("day", 1)],
        ]


class Excused(Attendance):
    reason: str

    class Settings:
        name = "excused"
        merge_indexes = True
        indexes = [IndexModel([("student", -1), ("day", 1)], name="excused")]


class Contradictory(Document):
    day: str

    class Settings:
        name = "contradictory"
        indexes = [IndexModel("day", name="by_day"), IndexModel("day", name="by_date")]


class Room(BaseModel):
    size: int = 1
    door: str = Field(default="", alias="Door")


class Free(BaseModel):
    model_config = ConfigDict(extra="allow")


class Nested(Document):
    name: str
    room: Room
    rooms: list[Room] | None = None
    texts: list[Annotated[str, Field(max_length=9)]] = []
    by_name: dict[str, Room] = {}
    free: Free
    anything: Any = None
    days: RootModel[list[Room]]
    other: Link[Attendance] | None = None


def with_index(path: str) -> type[Document]:
    class Wrong(Nested):
        class Settings:
            name = "wrong"
            indexes = [IndexModel([("name", 1), (path, 1)], name="by_it")]

    return Wrong


@pytest.mark.parametrize(
    "path",
    [
        "_id",
        "name",
        "room",
        "room.size",
        "room.Door",
        "rooms",
        "rooms.size",
        "rooms.0.size",
        "texts",
        "by_name.a.size",
        "by_name.$**",
        "$**",
        "room.$**",
        "free",
        "free.a.b",
        "anything.a",
        "days.size",
        "other.$id",
        "other._id",
        "texts.0",
        "revision_id",
    ],
)
def test_an_index_may_be_over_any_path_that_records_have(path: str) -> None:
    Module(name="one", documents=(with_index(path),))


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("nam", r"Did you mean name\?"),
        ("zzz", r"Name a field, or add it to the document\."),
        ("id", r"Did you mean _id\?"),
        ("name.first", "Name a field"),
        ("room.colour", ""),
        ("room.door", ""),
        ("room._id", ""),
        ("rooms.colour", ""),
        ("texts.first", ""),
        ("by_name.a.colour", ""),
        ("days.colour", ""),
    ],
)
def test_an_index_over_a_path_that_no_record_has_is_refused(path: str, remedy: str) -> None:
    with pytest.raises(
        StartupError,
        match=rf"test_indexes\.py, line \d+: the index by_it of Wrong is over {path}, which is no field\. {remedy}",
    ):
        Module(name="one", documents=(with_index(path),))


class TwoOfAName(Document):
    day: str
    room: str

    class Settings:
        name = "two_of_a_name"
        indexes = [IndexModel("day", name="by_day"), IndexModel("room", name="by_day")]


def test_two_indexes_of_the_same_name_are_refused() -> None:
    with pytest.raises(StartupError, match=r"line \d+: two indexes of TwoOfAName have the name by_day\. Give one"):
        Module(name="one", documents=(TwoOfAName,))


NAMES = {"once_a_day", "by_day", "by_day_falling", "by_place", "place_1", "day_1", "room_-1", "room_1_day_1"}


@pytest.fixture(params=["mongod", "memory"])
def portal(request: pytest.FixtureRequest, open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> BlockingPortal:
    changes: dict[str, object] = {}
    if request.param == "memory":
        monkeypatch.setattr("core.database.client.find_mongod", lambda *_: None)
        changes = {"mongodb_url": None, "allow_memory_db": True}
    portal = open_client([stub(documents=(Attendance, Excused))], **changes).portal
    assert portal
    return portal


async def index_names(document: type[Document]) -> set[str]:
    return set(await collection(document).index_information()) - {"_id_"}


def test_every_declared_index_is_created(portal: BlockingPortal) -> None:
    assert portal.call(index_names, Attendance) == NAMES
    assert portal.call(index_names, Excused) == {*NAMES, "excused"}


def test_a_unique_index_holds_beside_another_one_over_the_same_fields(portal: BlockingPortal) -> None:
    portal.call(Attendance(student="S1", day="mon", place="a", room="1").insert)
    for record in (
        Attendance(student="S1", day="mon", place="b", room="1"),
        Attendance(student="S2", day="mon", place="a", room="1"),
    ):
        with pytest.raises(DuplicateKeyError):
            portal.call(record.insert)


def test_each_index_is_declared_once(portal: BlockingPortal) -> None:
    names = [index.document["name"] for index in declared_indexes(Excused)]
    assert sorted(names) == sorted({*NAMES, "excused"})


def test_two_indexes_that_the_server_takes_for_one_prevent_the_start(open_client: AppClient) -> None:
    with pytest.raises(StartupError, match=r"index by_date of the collection contradictory .*: by_day$"):
        open_client([stub(documents=(Contradictory,))])


def test_a_unique_index_that_stored_records_violate_prevents_the_start(
    open_client: AppClient, settings: Settings, mongodb: MongoClient[dict[str, Any]]
) -> None:
    stored = mongodb[settings.mongodb_database].indexed_attendance
    stored.drop()
    stored.insert_many({"student": "hunter2", "day": "mon", "place": str(number)} for number in range(2))
    with pytest.raises(
        StartupError, match=r"index once_a_day of the collection indexed_attendance .* same values$"
    ) as raised:
        open_client([stub(documents=(Attendance,))])
    assert "hunter2" not in str(raised.value)
