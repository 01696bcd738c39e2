"""Run requests for the same kind of work in batches.

A command to the database costs about as much for one record as for ten. So a request that arrives while the same kind
of work runs waits for it to end, and then runs in one batch with all other requests that arrived in the meantime. A
request that arrives while nothing runs starts at once. A result is never older than its request: a batch starts only
after the last request that it serves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

# Let the event loop read its sockets once more before a batch starts: clients that just got an answer may have sent the
# next request.
_ONCE_ROUND = 0.0001

_Waiting = tuple[Ask, asyncio.Future[Answer]]


@dataclass(slots=True)
class _Group(Generic[Ask, Answer]):
    """The requests that wait for the batch that is running."""

    waiting: list[_Waiting[Ask, Answer]] = field(default_factory=list)
    watch: asyncio.TimerHandle | None = None


class Batcher(Generic[Ask, Answer]):
    """Call `work` with batches of at most `max_batch_size` requests.

    `work` gets the requests and returns their results in the same order; if it raises, every request of the batch
    raises the same error. A request waits at most `max_wait` seconds for the batch before its own; then its batch
    starts beside it. Requests with different keys do not wait for each other.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]],
        max_batch_size: int = 100,
        max_wait: float = 0.05,
    ) -> None:
        self._work = work
        self._max_batch_size = max_batch_size
        self._max_wait = max_wait
        self._groups: dict[Hashable, _Group[Ask, Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, ask: Ask, key: Hashable = None) -> Answer:
        """Return the result of one request. Raise what `work` raises."""
        busy = self._groups.get(key)
        if busy is not None:
            return await self._wait(ask, key, busy)
        own = self._groups[key] = _Group()
        try:
            (answer,) = await self._work([ask])
        finally:
            self._go_on(key, own)
        return answer

    async def _wait(self, ask: Ask, key: Hashable, busy: _Group[Ask, Answer]) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        busy.waiting.append((ask, future))
        if busy.watch is None:
            self._watch(key, busy)
        return await future

    def _go_on(self, key: Hashable, done: _Group[Ask, Answer]) -> None:
        """Start the next batch, because the batch before has ended or takes too long."""
        if done.watch:
            done.watch.cancel()
        if self._groups.get(key) is not done:
            return  # the next batch was started already, because this one took too long
        if not done.waiting:
            del self._groups[key]
            return
        now, later = done.waiting[: self._max_batch_size], done.waiting[self._max_batch_size :]
        following = self._groups[key] = _Group(later)
        if later:
            self._watch(key, following)
        # In a context of its own: the database time-out of one request must not apply to the others.
        task = asyncio.get_running_loop().create_task(self._do(key, following, now), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watch(self, key: Hashable, busy: _Group[Ask, Answer]) -> None:
        busy.watch = asyncio.get_running_loop().call_later(self._max_wait, self._go_on, key, busy)

    async def _do(self, key: Hashable, own: _Group[Ask, Answer], asked: list[_Waiting[Ask, Answer]]) -> None:
        await asyncio.sleep(_ONCE_ROUND)
        room = self._max_batch_size - len(asked)
        asked += own.waiting[:room]
        del own.waiting[:room]
        try:
            answers = await self._work([ask for ask, _ in asked])
        except Exception as error:  # noqa: BLE001 (raised by each request)
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(asked, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        finally:
            self._go_on(key, own)
