"""Batching of requests for the same kind of work.

A database command costs about as much for one record as for ten. So a request that arrives while the same kind of work
runs waits for it to end, and then runs in one batch with all other requests that arrived in the meantime. A request
that arrives while nothing runs starts at once, together with those of the same round of the event loop. A result is
never older than its request: a batch starts only after the last request that it serves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")

# Let the event loop read its sockets once more before a batch starts: clients that just got a response may have sent
# their next request.
_START_DELAY = 0.0001

_Waiting = tuple[Request, asyncio.Future[Result]]


@dataclass(slots=True)
class _Group(Generic[Request, Result]):
    """The requests that wait for the running batch to end."""

    waiting: list[_Waiting[Request, Result]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Batcher(Generic[Request, Result]):
    """Call `work` with batches of at most `max_batch_size` requests.

    `work` gets the requests and returns their results in the same order; if it raises, every request of the batch
    raises the same error. A request waits at most `max_wait` seconds for the batch before its own; then its batch
    starts concurrently. Requests with different keys do not wait for each other.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Request]], Awaitable[Sequence[Result]]],
        max_batch_size: int = 100,
        max_wait: float = 0.05,
    ) -> None:
        self._work = work
        self._max_batch_size = max_batch_size
        self._max_wait = max_wait
        self._groups: dict[Hashable, _Group[Request, Result]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Request, key: Hashable = None) -> Result:
        """Return the result of one request. Raise the errors that `work` raises."""
        running = self._groups.get(key)
        if running is not None:
            return await self._wait(request, key, running)
        own = self._groups[key] = _Group()
        try:
            await asyncio.sleep(0)  # lets the requests that arrived in the same round of the event loop join
            # After a pause of the event loop the timer may have started the next batch already, without this request.
            if own.waiting and self._groups.get(key) is own:
                future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
                own.waiting.insert(0, (request, future))
                self._start_next(key, own)
                return await future
            (result,) = await self._work([request])
        finally:
            self._start_next(key, own)
        return result

    async def _wait(self, request: Request, key: Hashable, running: _Group[Request, Result]) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        running.waiting.append((request, future))
        if running.timer is None:
            self._start_timer(key, running)
        return await future

    def _start_next(self, key: Hashable, previous: _Group[Request, Result]) -> None:
        """Start the next batch, because the previous batch has ended or takes too long."""
        if previous.timer:
            previous.timer.cancel()
        if self._groups.get(key) is not previous:
            return  # the next batch was started already, because this one took too long
        if not previous.waiting:
            del self._groups[key]
            return
        batch, rest = previous.waiting[: self._max_batch_size], previous.waiting[self._max_batch_size :]
        following = self._groups[key] = _Group(rest)
        if rest:
            self._start_timer(key, following)
        # Use an empty context: the database timeout of one request must not apply to the others.
        task = asyncio.get_running_loop().create_task(self._run(key, following, batch), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _start_timer(self, key: Hashable, running: _Group[Request, Result]) -> None:
        running.timer = asyncio.get_running_loop().call_later(self._max_wait, self._start_next, key, running)

    async def _run(self, key: Hashable, own: _Group[Request, Result], batch: list[_Waiting[Request, Result]]) -> None:
        await asyncio.sleep(_START_DELAY)
        free = self._max_batch_size - len(batch)
        batch += own.waiting[:free]
        del own.waiting[:free]
        try:
            results = await self._work([request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 (raised by each request)
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        finally:
            self._start_next(key, own)
