"""Hearing of accounts that other processes change."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pymongo.errors import PyMongoError

from core.collection import Unwatchable, changed_ids
from modules.auth.models import User
from modules.auth.settings import AuthSettings
from modules.auth.verified import verified_tokens

log = logging.getLogger(__name__)

# How long after a broken watch the next one begins.
PAUSE_SECONDS = 1.0


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The time in which the service runs, and believes tokens."""
    verified_tokens.forget_all()
    watching = asyncio.create_task(_watch()) if AuthSettings.current().auth_cache_seconds else None
    try:
        yield
    finally:
        if watching:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        verified_tokens.forget_all()


async def _watch() -> None:
    while True:
        try:
            async for user in changed_ids(User):
                if user is None:  # it is open; of what was changed before, nobody tells
                    verified_tokens.forget_all()
                else:
                    verified_tokens.forget(user)
        except Unwatchable:
            log.info("This MongoDB does not tell of changes: other processes hear of them after AUTH_CACHE_SECONDS")
            return
        except PyMongoError as error:
            log.warning("The watch of accounts broke off: %s", type(error).__name__)
        # What changes until the next watch is open, nobody tells.
        verified_tokens.forget_all()
        await asyncio.sleep(PAUSE_SECONDS)
