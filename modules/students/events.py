"""The events of students that other modules follow."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bson import ObjectId

from core.events import Event
from modules.students.models import StudentSnapshot


@dataclass(frozen=True, slots=True)
class ErasedStudent:
    """A student who is being erased: the `_id`, and all current and former roll numbers and names."""

    id: ObjectId
    roll_nos: frozenset[str]
    names: frozenset[str]


ERASED = Event[ErasedStudent]("erased")
"""A student is being erased. The handler deletes the module's data of the student; before that, the erasure is not
final."""

GONE = Event[Collection[ObjectId]]("gone")
"""Students were erased some time ago: the `_id`s of the last 1,000, or none, at startup and hourly. A request that ran
during an erasure may have inserted something afterwards, and its process may have died before it looked whether the
student still exists. The handler deletes it. It does not run instead of a handler of `ERASED`."""

CHANGED = Event[Sequence[StudentSnapshot]]("changed")
"""Students were created, changed, renamed, deleted (`deleted_at` is set) or restored. The handler gets each in the
current state, in the order of the feed of changes. A module that follows for the first time gets all students. Calls of
a module's handlers of `CHANGED` and `ERASED` do not overlap, not even in several processes."""
