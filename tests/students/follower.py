"""Following the feed of changes as a consumer does; and making others slow at the worst moments."""

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
        """One that asks through a client whose user is signed in."""

        def ask(query: Json) -> Json:
            answer = client.get("/changes", params=query)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        return cls(ask, limit)

    @property
    def students(self) -> list[Json]:
        """The copy, in order of roll number."""
        return sorted(self.copy.values(), key=lambda student: str(student["roll_no"]))

    @property
    def roll_numbers(self) -> list[str]:
        """Those of the copy, in order."""
        return [student["roll_no"] for student in self.students]

    def step(self) -> Json:
        """Ask once, and put the answer into the copy."""
        since = {} if self.token is None else {"since": self.token}
        return self.take(self.ask({"limit": self.limit, **since}))

    def drain(self) -> None:
        """Ask until there is no more."""
        while self.step()["more"]:
            pass

    async def step_inside(self, times: int = 1) -> None:
        """Ask the service itself, without HTTP, this many times."""
        for _ in range(times):
            answer = await changes.since(self.token, self.limit)
            self.more = self.take(answer.model_dump(mode="json"))["more"]

    async def drain_inside(self) -> None:
        """Ask the service itself until there is no more, with a large limit."""
        usual, self.limit, self.more = self.limit, 100, True
        while self.more:
            await self.step_inside()
        self.limit = usual

    def take(self, answer: Json) -> Json:
        """Put an answer into the copy."""
        keys = [change["key"] for change in answer["changes"]]
        assert len(keys) == len(set(keys)) <= self.limit, "each student once"
        for change in answer["changes"]:
            if change["deleted"]:
                self.copy.pop(change["key"], None)
            else:
                self.copy[change["key"]] = change["student"]
        self.token = answer["next"]
        self.answers += 1
        return answer


@contextmanager
def held(client: TestClient, where: Any, name: str, work: Callable[[], T], *, after: bool = False) -> Iterator[Any]:
    """Start `work` in a thread and hold it where the async function `where.name` is first called (or, with `after`,
    has done its work); gives a function that lets it go on and answers what it answers. Later calls pass."""
    original = getattr(where, name)
    calls: list[None] = []
    reached, go = Event(), asyncio.Event()

    async def hold(*arguments: Any, **named: Any) -> Any:
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
        patch.setattr(where, name, hold)
        working = pool.submit(work)
        try:
            assert reached.wait(PATIENCE), f"{name} was not called: {working}"
            yield finish
        finally:
            finish()


_WRITES = {"insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many"}

_actor: ContextVar[int] = ContextVar("actor")


class Schedule:
    """Runs coroutines so that one database command at a time is on its way, and a seeded dice says whose is next.

    One of them stalls right before one of its writes, and does it only when all others have ended: as a process does
    that the system does not run, and that then acts on what it read long ago.
    """

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._writes: dict[int, int] = {}
        self._changed = asyncio.Event()
        self._run_on_executor: Any = motor_asyncio.run_on_executor

    async def run(self, *actors: Coroutine[Any, Any, None]) -> None:
        """Run all to their ends; raises what one of them raises."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(motor_asyncio, "run_on_executor", self._gate)
            tasks = [asyncio.create_task(self._act(number, actor)) for number, actor in enumerate(actors)]
            slow, spared = self._dice.randrange(len(actors)), self._dice.choice((0, 0, 1, 2))
            early = self._dice.random() < 0.7  # it reads before all others
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
        return loop.create_task(self._in_turn(loop, command, *args, **named))

    async def _in_turn(self, loop: asyncio.AbstractEventLoop, command: Callable[..., Any], *args: Any, **k: Any) -> Any:
        actor = _actor.get(None)
        if actor is None:  # the service's own, such as the watch of accounts
            return await self._run_on_executor(loop, command, *args, **k)
        self._writes[actor] = self._writes.get(actor, 0) + (command.__name__ in _WRITES)
        turn = self._waiting[actor] = loop.create_future()
        self._changed.set()
        await turn
        return await self._run_on_executor(loop, command, *args, **k)
