"""Documents of imports: the import with its progress, its file, its failed rows and its change log."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from beanie import Document, PydanticObjectId
from pydantic import BaseModel, Field
from pymongo import IndexModel, ReturnDocument

from core.clock import utc_now
from core.database import collection
from core.errors import Unavailable
from modules.students import StudentBulkStore
from modules.transfers.settings import ImportSettings

# An import without a heartbeat (`alive_at`) for this long counts as interrupted.
HEARTBEAT_TIMEOUT = timedelta(seconds=15)


Verify = Callable[[], Awaitable[object]]
"""Raise `Unauthenticated` or `Forbidden` if the caller no longer has the permission for the request."""


class State(StrEnum):
    """The state of an import. `interrupted` is never stored: it is shown for an import whose stored state is
    `receiving`, `running` or `undoing`, but which no process is working on."""

    RECEIVING = "receiving"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class Mode(StrEnum):
    """Whether an import creates new students, changes existing students, or both."""

    INSERT = "insert"
    UPSERT = "upsert"
    UPDATE = "update"


class Options(BaseModel):
    """The options of an import. With `remove_blanks`, a blank cell removes the stored mark."""

    mode: Mode = Mode.UPSERT
    dry_run: bool = False
    skip_errors: bool = False
    remove_blanks: bool = False


def hashed_key(by: str, key: str) -> str:
    """Return the hash under which a user's idempotency key is stored. The key itself is not stored, because it may
    contain the name of a student who is erased later, in any spelling."""
    return sha256(f"{by}:{key}".encode()).hexdigest()


class Import(Document):
    """An import.

    `position` is the last processed row of the file, in the validating pass or in the writing one (`writing`), and
    `offset` the number of bytes read up to it. `errors_stored` is the number of failed rows that are stored (all of
    them if it is absent), and `errors_bytes` the size of their cells. `alive_at` is the time of the last heartbeat.
    `turn` is a fencing token: each claim increments it, so that a process that lost its claim can no longer update the
    import. `key` is computed by `hashed_key`.
    """

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
        """Beanie settings. Absent fields are not stored, so that the sparse index on keys skips imports without one."""

        name = "imports"
        keep_nulls = False
        indexes = [IndexModel("key", name="key_unique", unique=True, sparse=True)]

    async def update_fields(self, **changes: Any) -> None:
        """Store changed fields. Raise `Unavailable` if another process has claimed the import, or if it was deleted."""
        mine = {"_id": self.id, "turn": self.turn}
        stored = await collection(type(self)).update_one(mine, {"$set": changes})
        if not stored.matched_count:
            raise Unavailable(
                "This server did not respond for a while, and the import was claimed by another process or sent again. "
                f"GET /imports/{self.id} returns its state."
            )
        for name, value in changes.items():
            setattr(self, name, value)

    async def append(self, *, kept: list[str], most: int) -> None:
        """Append roll numbers of students that an undo leaves unchanged, up to `most` in total."""
        mine = {"_id": self.id, "turn": self.turn}
        added = {"$push": {"kept": {"$each": kept, "$slice": most}}}
        stored = await collection(type(self)).find_one_and_update(
            mine, added, {"kept": 1}, return_document=ReturnDocument.AFTER
        )
        self.kept = stored["kept"] if stored else []

    @property
    def students(self) -> StudentBulkStore:
        """The students, for reads and writes in the name of this import."""
        return StudentBulkStore(self.by, self.source)

    @property
    def resumed(self) -> bool:
        """Whether the import was claimed before, after an earlier run was interrupted."""
        return self.turn > 0

    @property
    def expires_at(self) -> datetime:
        """The time at which the file, the failed rows and the change log of the import are deleted."""
        return self.created_at + timedelta(days=ImportSettings.current().days)

    @property
    def effective_state(self) -> State:
        """The stored state, or `interrupted` if the import should be running but has no recent heartbeat."""
        at_work = self.state in (State.RECEIVING, State.RUNNING, State.UNDOING)
        return State.INTERRUPTED if at_work and self.alive_at < utc_now() - HEARTBEAT_TIMEOUT else self.state

    @property
    def percent(self) -> int | None:
        """The progress in percent. If there are two passes over the file, each counts as half."""
        if self.finished_at or not self.size:
            return 100 if self.finished_at else None
        this_pass = self.offset * 100 // self.size
        if self.options.dry_run or self.options.skip_errors:
            return this_pass
        return this_pass // 2 + (50 if self.writing else 0)

    @property
    def source(self) -> str:
        """The `source` of the student versions that this import writes."""
        return f"import {self.id}"


class FileChunk(Document):
    """A piece of the uploaded file, unchanged."""

    import_id: PydanticObjectId
    number: int
    content: bytes
    expires_at: datetime

    class Settings:
        """Beanie settings. Chunks are read in order."""

        name = "import_files"
        indexes = [
            IndexModel([("import_id", 1), ("number", 1)], name="in_order", unique=True),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]


class FailedRow(Document):
    """A row that failed: its number, the line it starts at, its cells as received (none if the row is too long), the
    roll number and the name in the cells (`about`), and the errors."""

    import_id: PydanticObjectId
    row: int
    line: int
    cells: list[str]
    about: list[str] = []
    errors: list[dict[str, Any]]
    expires_at: datetime

    class Settings:
        """Beanie settings. Rows are read in order. The index is unique, so that a row that is read twice is stored
        once."""

        name = "import_errors"
        indexes = [
            IndexModel([("import_id", 1), ("row", 1)], name="in_order", unique=True),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]


class ChangeLogEntry(Document):
    """A change of a student, logged before an import writes it. `before` is the student's version before the change
    (None for a new student); the next version is the import's."""

    import_id: PydanticObjectId
    row: int
    student: PydanticObjectId
    before: int | None
    created: bool
    expires_at: datetime

    class Settings:
        """Beanie settings. Entries are read in order. Each student has one entry, even if a row is read twice."""

        name = "import_changes"
        indexes = [
            IndexModel([("import_id", 1), ("row", 1)], name="in_order"),
            IndexModel([("import_id", 1), ("student", 1)], name="student_unique", unique=True),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]

    @property
    def after(self) -> int:
        """The number of the version that the import writes."""
        return (self.before or 0) + 1
