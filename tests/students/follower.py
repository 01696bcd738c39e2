"""Helpers for tests of the feed of changes: a consumer, and delays of other work at the worst moments."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Any, TypeVar

import pytest
from fastapi.testclient import TestClient
from motor.frameworks import asyncio as motor_asyncio

from modules.students.changes import service as changes
from tests.servers import PATIENCE

T = TypeVar("T")

Json = dict[str, Any]


@dataclass
class Follower:
    """A consumer that keeps a copy of the students by `key`; `ask` sends `GET /changes` with a query."""

    ask: Callable[[Json], Json]
    limit: int = 100
    token: str | None = None
    copy: dict[str, Json] = field(default_factory=dict)
    answers: int = 0
    more: bool = True

    @classmethod
    def of(cls, client: TestClient, limit: int = 100) -> "Follower":
        """Return a follower that uses a signed-in client."""

        def ask(query: Json) -> Json:
            answer = client.get("/changes", params=query)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        return cls(ask, limit)

    @property
    def students(self) -> list[Json]:
        """Return the copied students, in order of roll number."""
        return sorted(self.copy.values(), key=lambda student: str(student["roll_no"]))

    @property
    def roll_numbers(self) -> list[str]:
        """Return the roll numbers of the copied students, in order."""
        return [student["roll_no"] for student in self.students]

    def step(self) -> Json:
        """Send one request, and apply the response to the copy."""
        since = {} if self.token is None else {"since": self.token}
        return self.apply(self.ask({"limit": self.limit, **since}))

    def drain(self) -> None:
        """Send requests until there are no more changes."""
        while self.step()["more"]:
            pass

    async def step_directly(self, times: int = 1) -> None:
        """Call the service directly, without HTTP, this many times."""
        for _ in range(times):
            answer = await changes.since(self.token, self.limit)
            self.more = self.apply(answer.model_dump(mode="json"))["more"]

    async def drain_directly(self) -> None:
        """Call the service directly, with a large limit, until there are no more changes."""
        usual, self.limit, self.more = self.limit, 100, True
        while self.more:
            await self.step_directly()
        self.limit = usual

    def apply(self, answer: Json) -> Json:
        """Apply a response to the copy."""
        keys = [change["key"] for change in answer["changes"]]
        assert len(keys) == len(set(keys)) <= self.limit, "a student occurs twice, or there are too many"
        for change in answer["changes"]:
            if change["deleted"]:
                self.copy.pop(change["key"], None)
            else:
                self.copy[change["key"]] = change["student"]
        self.token = answer["next"]
        self.answers += 1
        return answer


@contextmanager
def paused(client: TestClient, where: Any, name: str, work: Callable[[], T], *, after: bool = False) -> Iterator[Any]:
    """Start `work` in a thread, and pause it at its first call of the async function `where.name`.

    Pause it before the call or, with `after`, when the call has returned. Later calls are not paused. Yield a function
    that resumes the work, and returns its result.
    """
    original = getattr(where, name)
    calls: list[None] = []
    reached, go = Event(), asyncio.Event()

    async def pause(*arguments: Any, **named: Any) -> Any:
        calls.append(None)
        first = len(calls) == 1
        early = await original(*arguments, **named) if after or not first else None
        if first:
            reached.set()
            await go.wait()
        return early if after or not first else await original(*arguments, **named)

    def finish() -> T:
        assert client.portal
        client.portal.call(go.set)
        return working.result(PATIENCE)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(where, name, pause)
        working = pool.submit(work)
        try:
            assert reached.wait(PATIENCE), f"{name} was not called: {working}"
            yield finish
        finally:
            finish()


_WRITES = {"insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many"}

_actor: ContextVar[int] = ContextVar("actor")


class Schedule:
    """Runs coroutines with one database command at a time, in a random order that depends on the seed.

    One coroutine stalls right before one of its writes until all others have ended, like a process that was suspended
    and then acts on what it read long ago.
    """

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._writes: dict[int, int] = {}
        self._changed = asyncio.Event()
        self._run_on_executor: Any = motor_asyncio.run_on_executor

    async def run(self, *actors: Coroutine[Any, Any, None]) -> None:
        """Run all coroutines to their ends. Raise what one of them raises."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(motor_asyncio, "run_on_executor", self._gate)
            tasks = [asyncio.create_task(self._act(number, actor)) for number, actor in enumerate(actors)]
            slow, spared = self._dice.randrange(len(actors)), self._dice.choice((0, 0, 1, 2))
            early = self._dice.random() < 0.7  # the slow one reads before all others
            while live := [number for number, task in enumerate(tasks) if not task.done()]:
                if self._waiting.keys() >= set(live):
                    others = [number for number in live if number != slow]
                    stalled = self._writes.get(slow, 0) > spared
                    first = [slow] if slow in live and early and not stalled else None
                    chosen = self._dice.choice(first or (others if stalled else None) or live)
                    self._waiting.pop(chosen).set_result(None)
                await self._changed.wait()
                self._changed.clear()
            await asyncio.gather(*tasks)

    async def _act(self, number: int, actor: Coroutine[Any, Any, None]) -> None:
        _actor.set(number)
        try:
            await actor
        finally:
            asyncio.get_running_loop().call_soon(self._changed.set)

    def _gate(self, loop: asyncio.AbstractEventLoop, command: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return loop.create_task(self._when_chosen(loop, command, *args, **named))

    async def _when_chosen(
        self, loop: asyncio.AbstractEventLoop, command: Callable[..., Any], *args: Any, **k: Any
    ) -> Any:
        actor = _actor.get(None)
        if actor is None:  # a task of the service, such as the watch of accounts
            return await self._run_on_executor(loop, command, *args, **k)
        self._writes[actor] = self._writes.get(actor, 0) + (command.__name__ in _WRITES)
        chosen = self._waiting[actor] = loop.create_future()
        self._changed.set()
        await chosen
        return await self._run_on_executor(loop, command, *args, **k)
