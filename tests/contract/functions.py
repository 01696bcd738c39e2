"""The functions of a module that no request calls: the contract calls each once, and observes it like a route."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from core.events import Event
from core.module import Module
from modules.students import CHANGED, ERASED, GONE, ErasedStudent, StudentSnapshot
from tests.contract.declaration import MongoDatabase
from tests.contract.event_loop import INTERVAL
from tests.contract.operations import Operation
from tests.contract.places import place_of
from tests.contract.traffic import Traffic
from tests.direct_client import DirectClient

READS_ALL = "data_check"
"""The kind of function that may read a whole collection."""

_SECONDS = 10.0
"""How long a function may take."""

_ENDLESS_SECONDS = 0.2
"""How long a job that has no end is observed."""

_CANCELLATION_SECONDS = 2.0

_Function = tuple[Operation, Callable[[], Awaitable[object]], bool]


def functions_of(module: Module) -> list[Operation]:
    """Return what can be observed of a module besides its routes, each named by its kind and its function."""
    return [one for one, _, _ in _functions(module, _student(None))]


def call_functions(module: Module, client: DirectClient, database: MongoDatabase, traffic: Traffic) -> None:
    """Call the jobs, checks and followers of a running app's module, each once, in the event loop of the app."""
    assert client.portal
    for operation, work, endless in _functions(module, _student(database["students"].find_one())):
        with traffic.working_on(operation):
            client.portal.call(run, work, endless)


def _functions(module: Module, student: StudentSnapshot) -> Iterator[_Function]:
    """Yield each function with its arguments, and whether it has no end. Followers of students get this
    one."""
    for job in module.jobs:
        yield _named(module, "job", job.work), job.work, job.endless
    if check := module.health_check:
        yield _named(module, "health_check", check), check, False
    if reads := module.data_check:
        yield _named(module, READS_ALL, reads), lambda: _read(reads()), False
    for event, happened in _events_of(student):
        for handle in [follow.handle for follow in module.follows if follow.event is event]:
            yield _named(module, f"follower of {event.name}", handle), partial(handle, happened), False


def _student(stored: dict[str, Any] | None) -> StudentSnapshot:
    """Return the student of a document, or one that is not stored."""
    new: dict[str, Any] = {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {}}
    return StudentSnapshot.of(stored) if stored else StudentSnapshot.new("alice", **new)


def _events_of(student: StudentSnapshot) -> Iterator[tuple[Event[Any], Any]]:
    """Yield the events of a student in the order in which they happen, each with what its followers get."""
    assert student.id
    yield CHANGED, [student]
    yield ERASED, ErasedStudent(student.id, frozenset([student.roll_no]), frozenset([student.name]))
    yield GONE, [student.id]


def _named(module: Module, kind: str, function: Any) -> Operation:
    name = getattr(function, "__name__", type(function).__name__)
    return Operation(module.name, kind, name, public=False, document={"paths": {}}, where=place_of(function))


async def _read(problems: Any) -> list[str]:
    return [problem async for problem in problems]


async def run(work: Callable[[], Awaitable[object]], endless: bool) -> None:
    """Await a function, and raise its error, or a `TimeoutError` if it does not end."""
    task = asyncio.ensure_future(work())
    await asyncio.wait({task}, timeout=_ENDLESS_SECONDS if endless else _SECONDS)
    if task.done():
        await asyncio.sleep(2 * INTERVAL)  # so that the watch over the event loop measures the end
        task.result()
        return
    task.cancel()
    await asyncio.wait({task}, timeout=_CANCELLATION_SECONDS)
    if not task.done():
        raise TimeoutError("it goes on after it was cancelled: let asyncio.CancelledError through")
    if not endless:
        raise TimeoutError(f"it has not ended after {_SECONDS:.0f} s: do less at a time, or declare endless=True")
