"""Documents of imports: the import with its progress, its file, its failed rows, its plan and its change log."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from beanie import Document, PydanticObjectId
from pydantic import BaseModel, Field
from pymongo import IndexModel, ReturnDocument

from core.clock import utc_now
from core.database import collection
from core.errors import Unavailable
from modules.students import StudentBulkStore
from modules.transfers.options import Column, Finding, Options
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


def _as_stored(value: Any) -> Any:
    """Return a value with models as dictionaries, also inside of lists."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, dict):
        return {key: _as_stored(item) for key, item in value.items()}
    return [_as_stored(item) for item in value] if isinstance(value, list | tuple) else value


class Import(Document):
    """An import.

    `position` is the last processed row of the file, in the validating pass or in the writing one (`writing`), and
    `offset` the number of bytes read up to it: of the file, or of the CSV that a workbook is converted to, which has
    `text_size` bytes. `errors_stored` is the number of failed rows that are stored (all of
    them if it is absent), and `errors_bytes` the size of their cells. `alive_at` is the time of the last heartbeat.
    `turn` is a fencing token: each claim and each release increments it, so that a process that lost its claim can no
    longer update the import. `key` is computed by `core.routing.hashed_key`. `subjects_before` are the subjects in
    which a stored student had a mark when the import began (None before that, and after its end), and `new_subjects`
    the others in the file.
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
    text_size: int | None = None
    sheet: str | None = None
    fingerprint: str | None = None
    header: list[str] = []
    separator: str = ","
    encoding: str | None = None
    header_line: int | None = None
    columns: list[Column] = []
    findings: list[Finding] = []
    turn: int = 0
    rows: int = 0
    position: int = 0
    offset: int = 0
    writing: bool = False
    absent: int = 0
    cells_skipped: int = 0
    incomplete: int = 0
    """The number of rows that were imported without a mark that could not be read."""
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    errors_stored: int | None = None
    errors_bytes: int = 0
    name_changes: int = 0
    subjects_before: list[str] | None = None
    new_subjects: list[dict[str, Any]] = []
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
        stored = await collection(type(self)).update_one(mine, {"$set": _as_stored(changes)})
        if not stored.matched_count:
            raise Unavailable(
                "This server did not respond for a while, and the import was claimed by another process or sent again. "
                f"GET /imports/{self.id} returns its state."
            )
        for name, value in changes.items():
            setattr(self, name, value)

    async def append(self, *, kept: list[str], limit: int) -> None:
        """Append roll numbers of students that an undo leaves unchanged, up to `limit` in total."""
        mine = {"_id": self.id, "turn": self.turn}
        added = {"$push": {"kept": {"$each": kept, "$slice": limit}}}
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
        """The time at which the file, the failed rows, the plan and the change log of the import are deleted."""
        return self.created_at + timedelta(days=ImportSettings.current().days)

    @property
    def effective_state(self) -> State:
        """The stored state, or `interrupted` if the import should be running but has no recent heartbeat."""
        is_active = self.state in (State.RECEIVING, State.RUNNING, State.UNDOING)
        return State.INTERRUPTED if is_active and self.alive_at < utc_now() - HEARTBEAT_TIMEOUT else self.state

    @property
    def percent(self) -> int | None:
        """The progress in percent. If there are two passes over the file, each counts as half."""
        if self.finished_at or not self.size:
            return 100 if self.finished_at else None
        this_pass = self.offset * 100 // (self.text_size or self.size)
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
    roll number and the name in the cells and the roll numbers in the errors (`about`), and the errors."""

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


class PlanPage(Document):
    """A part of an import's plan: what some rows of one batch do, in their order, from row `first` to row `last`.

    `rank` is 0 for rows that change a name, which are listed first, and 1 for the others. `outcomes` are those of the
    entries. Pages of a rank do not overlap. An entry has the fields of `PlanEntry`, but its changes are one flat array.
    """

    import_id: PydanticObjectId
    rank: int
    first: int
    last: int
    outcomes: list[str]
    entries: list[dict[str, Any]]
    expires_at: datetime

    class Settings:
        """Beanie settings. Pages are read in order, from any row, and those with one outcome without the others. The
        index is unique, so that a page is not stored twice."""

        name = "import_plans"
        indexes = [
            IndexModel(
                [("import_id", 1), ("rank", 1), ("first", 1), ("last", 1), ("outcomes", 1)],
                name="in_order",
                unique=True,
            ),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]


class ChangeLogEntry(Document):
    """A change of a student, logged before an import writes it. `before` is the student's version before the change
    (None for a new student); the next version is the import's. If the student was `erased`, `student` names nobody."""

    import_id: PydanticObjectId
    row: int
    student: PydanticObjectId
    before: int | None
    created: bool
    erased: bool = False
    expires_at: datetime

    class Settings:
        """Beanie settings. Entries are read in order. Each student has one entry, even if a row is read twice. An
        erasure finds the entries of its student."""

        name = "import_changes"
        indexes = [
            IndexModel([("import_id", 1), ("row", 1)], name="in_order"),
            IndexModel([("import_id", 1), ("student", 1)], name="student_unique", unique=True),
            IndexModel("student", name="by_student"),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]

    @property
    def after(self) -> int:
        """The number of the version that the import writes."""
        return (self.before or 0) + 1
