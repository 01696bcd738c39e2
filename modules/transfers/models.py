"""What is stored of imports: the file, how far the work has come, the rows that failed, and what was changed."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from beanie import Document, PydanticObjectId
from pydantic import BaseModel, Field
from pymongo import IndexModel, ReturnDocument

from core.clock import utc_now
from core.errors import Unavailable
from modules.transfers.settings import ImportSettings

# How long nobody need have shown that they work on an import.
PATIENCE = timedelta(seconds=15)


Verify = Callable[[], Awaitable[object]]
"""Raise `Unauthenticated` or `Forbidden` if the caller may no longer do what was asked for."""


class State(StrEnum):
    """Where an import stands. `interrupted` is never stored: it is what `receiving`, `running` and `undoing` are called
    when nobody is at work."""

    RECEIVING = "receiving"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class Mode(StrEnum):
    """What is done with students who are there already, and with those who are not."""

    INSERT = "insert"
    UPSERT = "upsert"
    UPDATE = "update"


class Options(BaseModel):
    """How a file is to be imported. `remove_blanks`: a blank cell takes the mark away."""

    mode: Mode = Mode.UPSERT
    dry_run: bool = False
    skip_errors: bool = False
    remove_blanks: bool = False


def hashed_key(by: str, key: str) -> str:
    """Return what is stored of a user's idempotency key. Not the key itself: it may name a student who is erased later,
    in any spelling."""
    return sha256(f"{by}:{key}".encode()).hexdigest()


class Import(Document):
    """An import. `position` is the last row of the file that is dealt with, in the pass that judges or in the one that
    writes (`writing`), and `offset` how many bytes have been read for that. `errors_stored` of the failed rows are
    stored (all, where it is absent), with `errors_bytes` of cells. `alive_at` tells that somebody works on it; whoever
    takes the work up has the next `turn`. `key` is made by `hashed_key`."""

    by: str
    undone_by: str | None = None
    options: Options
    format: str
    filename: str | None = None
    key: str | None = None
    state: State = State.RECEIVING
    detail: str | None = None
    size: int | None = None
    fingerprint: str | None = None
    header: list[str] = []
    separator: str = ","
    turn: int = 0
    rows: int = 0
    position: int = 0
    offset: int = 0
    writing: bool = False
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    errors_stored: int | None = None
    errors_bytes: int = 0
    restored: int = 0
    kept: list[str] = []
    kept_count: int = 0
    created_at: datetime = Field(default_factory=utc_now)
    alive_at: datetime = Field(default_factory=utc_now)
    finished_at: datetime | None = None

    class Settings:
        """Absent fields are not stored, so that the index on keys holds only imports that have one."""

        name = "imports"
        keep_nulls = False
        indexes = [IndexModel("key", name="key_unique", unique=True, sparse=True)]

    async def note(self, **changes: Any) -> None:
        """Store what has become of it. Raises `Unavailable` if somebody else has taken the work up meanwhile."""
        mine = {"_id": self.id, "turn": self.turn}
        noted = await self.get_motor_collection().update_one(mine, {"$set": changes})
        if not noted.matched_count:
            raise Unavailable(
                "Nothing was heard of this server for a while: others went on with this import, or it was sent again. "
                f"GET /imports/{self.id} tells how it stands."
            )
        for name, value in changes.items():
            setattr(self, name, value)

    async def append(self, *, kept: list[str], most: int) -> None:
        """Store roll numbers of further students who are left as they are, up to so many in all."""
        mine = {"_id": self.id, "turn": self.turn}
        added = {"$push": {"kept": {"$each": kept, "$slice": most}}}
        stored = await self.get_motor_collection().find_one_and_update(
            mine, added, {"kept": 1}, return_document=ReturnDocument.AFTER
        )
        self.kept = stored["kept"] if stored else []

    @property
    def resumed(self) -> bool:
        """Whether somebody has worked on it before."""
        return self.turn > 0

    @property
    def expires_at(self) -> datetime:
        """Until when its failed rows are kept, and what resuming and undoing it need."""
        return self.created_at + timedelta(days=ImportSettings.current().days)

    @property
    def effective_state(self) -> State:
        """Its state, or `interrupted` if it should be worked on and is not."""
        at_work = self.state in (State.RECEIVING, State.RUNNING, State.UNDOING)
        return State.INTERRUPTED if at_work and self.alive_at < utc_now() - PATIENCE else self.state

    @property
    def percent(self) -> int | None:
        """How far the work has come. Where there are two passes over the file, each is a half."""
        if self.finished_at or not self.size:
            return 100 if self.finished_at else None
        this_pass = self.offset * 100 // self.size
        if self.options.dry_run or self.options.skip_errors:
            return this_pass
        return this_pass // 2 + (50 if self.writing else 0)

    @property
    def source(self) -> str:
        """What the versions that it makes say of where they come from."""
        return f"import {self.id}"


class FileChunk(Document):
    """A piece of the file, as it came."""

    import_id: PydanticObjectId
    number: int
    content: bytes
    expires_at: datetime

    class Settings:
        """Read in order."""

        name = "import_files"
        indexes = [
            IndexModel([("import_id", 1), ("number", 1)], name="in_order", unique=True),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]


class FailedRow(Document):
    """A row that cannot be imported: its number, the line it begins at, its text as it came (none, if it is long), the
    roll number and the name that are in there, and what is wrong."""

    import_id: PydanticObjectId
    row: int
    line: int
    cells: list[str]
    about: list[str] = []
    errors: list[dict[str, Any]]
    expires_at: datetime

    class Settings:
        """Read in order; each row is there once, however often it is read."""

        name = "import_errors"
        indexes = [
            IndexModel([("import_id", 1), ("row", 1)], name="in_order", unique=True),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]


class ChangeLogEntry(Document):
    """A student whom an import was about to change, noted before: which version it found (None for a new student), and
    that the next one would be the import's."""

    import_id: PydanticObjectId
    row: int
    student: PydanticObjectId
    before: int | None
    created: bool
    expires_at: datetime

    class Settings:
        """Read in order; each student is there once, however often a row is read."""

        name = "import_changes"
        indexes = [
            IndexModel([("import_id", 1), ("row", 1)], name="in_order"),
            IndexModel([("import_id", 1), ("student", 1)], name="student_unique", unique=True),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]

    @property
    def after(self) -> int:
        """The version that the import made."""
        return (self.before or 0) + 1
