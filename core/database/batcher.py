"""Work that many want at the same time, done for all of them at once.

A command to the database costs about as much for one record as for ten. So whoever comes while the same kind of work
is under way waits until that has been done, and then has theirs done together with all others who came meanwhile. Who
comes alone waits for nobody. No answer is older than the question: work begins only after the last one asked who gets
an answer from it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

# Before what has come in is done, the event loop looks at its sockets once more: those who have just been answered may
# have come again.
_ONCE_ROUND = 0.0001

_Waiting = tuple[Ask, asyncio.Future[Answer]]


@dataclass(slots=True)
class _Lane(Generic[Ask, Answer]):
    """Those who wait for the work that is under way."""

    waiting: list[_Waiting[Ask, Answer]] = field(default_factory=list)
    watch: asyncio.TimerHandle | None = None


class Batched(Generic[Ask, Answer]):
    """Does `work` for up to `most` at a time: it gets what they ask, and answers each in the same order; if it fails,
    it fails for all of them. Nobody waits longer than `patience` seconds for others: after that, theirs begins, too.

    Those in different lanes do not wait for one another.
    """

    def __init__(
        self, work: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]], most: int = 100, patience: float = 0.05
    ) -> None:
        self._work = work
        self._most = most
        self._patience = patience
        self._lanes: dict[Hashable, _Lane[Ask, Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, ask: Ask, lane: Hashable = None) -> Answer:
        """Have it done, alone or with others. Raises what the work raises."""
        busy = self._lanes.get(lane)
        if busy is not None:
            return await self._wait(ask, lane, busy)
        own = self._lanes[lane] = _Lane()
        try:
            (answer,) = await self._work([ask])
        finally:
            self._go_on(lane, own)
        return answer

    async def _wait(self, ask: Ask, lane: Hashable, busy: _Lane[Ask, Answer]) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        busy.waiting.append((ask, future))
        if busy.watch is None:
            self._watch(lane, busy)
        return await future

    def _go_on(self, lane: Hashable, done: _Lane[Ask, Answer]) -> None:
        """Begin with what has come in, now that the work before is done, or takes too long."""
        if done.watch:
            done.watch.cancel()
        if self._lanes.get(lane) is not done:
            return  # gone on already, when it took too long
        if not done.waiting:
            del self._lanes[lane]
            return
        now, later = done.waiting[: self._most], done.waiting[self._most :]
        following = self._lanes[lane] = _Lane(later)
        if later:
            self._watch(lane, following)
        # In a context of its own: what time one of them has for the database is nothing to the others.
        task = asyncio.get_running_loop().create_task(self._do(lane, following, now), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watch(self, lane: Hashable, busy: _Lane[Ask, Answer]) -> None:
        busy.watch = asyncio.get_running_loop().call_later(self._patience, self._go_on, lane, busy)

    async def _do(self, lane: Hashable, own: _Lane[Ask, Answer], asked: list[_Waiting[Ask, Answer]]) -> None:
        await asyncio.sleep(_ONCE_ROUND)
        room = self._most - len(asked)
        asked += own.waiting[:room]
        del own.waiting[:room]
        try:
            answers = await self._work([ask for ask, _ in asked])
        except Exception as error:  # noqa: BLE001 (it is theirs who asked)
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(asked, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        finally:
            self._go_on(lane, own)
