"""The lifespan of the module: the work for the modules that follow students."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from modules.students.changes import delivery
from modules.students.erasure import service as erasure
from modules.students.events import CHANGED

log = logging.getLogger(__name__)

CHANGES_SECONDS = 1.0
"""The pause before the feed is read again when nothing has changed."""

ERASURES_SECONDS = 30.0


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Continue unfinished erasures when the service starts and periodically, and deliver changes to other modules."""
    await erasure.register()
    await delivery.register()  # before erasures are continued, which take the leases of the modules
    await erasure.finish_all()
    await erasure.sweep()
    tasks = [asyncio.create_task(_repeat(erasure.finish_all, ERASURES_SECONDS))]
    if CHANGED.followers():
        tasks.append(asyncio.create_task(_repeat(_deliver_all, CHANGES_SECONDS)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _deliver_all() -> None:
    while await delivery.deliver():
        pass


async def _repeat(work: Callable[[], Awaitable[None]], pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        try:
            await work()
        except Exception as error:
            if not delivery.is_outage(error):
                log.exception("Work for the modules that follow students failed; it is repeated in %g seconds", pause)
