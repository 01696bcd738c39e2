"""Invalidation of cached tokens when other processes change accounts."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pymongo.errors import PyMongoError

from core.database import ChangeStreamsUnsupported, watch_ids
from modules.auth.models import User
from modules.auth.settings import AuthSettings
from modules.auth.token_cache import verified_tokens

log = logging.getLogger(__name__)

# The delay before a failed change stream is reopened.
PAUSE_SECONDS = 1.0


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Watch accounts for changes while the service runs, and clear the cache at startup and shutdown."""
    verified_tokens.clear()
    watching = asyncio.create_task(_watch()) if AuthSettings.current().auth_cache_seconds else None
    try:
        yield
    finally:
        if watching:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        verified_tokens.clear()


async def _watch() -> None:
    while True:
        try:
            async for user in watch_ids(User):
                if user is None:  # the stream is open; earlier changes are not reported
                    verified_tokens.clear()
                    verified_tokens.watched = True
                else:
                    verified_tokens.evict(user)
        except ChangeStreamsUnsupported:
            log.info(
                "This MongoDB server does not support change streams: other processes may accept a revoked token for "
                "reads for up to AUTH_CACHE_SECONDS; for writes, each caller is verified in the database"
            )
            return
        except PyMongoError as error:
            log.warning("The change stream of accounts failed: %s", type(error).__name__)
        finally:
            verified_tokens.watched = False
        verified_tokens.clear()  # changes before the next stream is open are not reported
        await asyncio.sleep(PAUSE_SECONDS)
