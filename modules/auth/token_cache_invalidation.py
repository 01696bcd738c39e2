"""Invalidation of cached tokens when other processes change accounts."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.database import ChangeStreamsUnsupported, watch_ids
from modules.auth.models import User
from modules.auth.settings import AuthSettings
from modules.auth.token_cache import verified_tokens

log = logging.getLogger(__name__)

# The delay before a failed change stream is reopened.
PAUSE_SECONDS = 1.0


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Clear the cache at startup and shutdown."""
    verified_tokens.clear()
    try:
        yield
    finally:
        verified_tokens.clear()


async def watch_accounts() -> None:
    """Remove the tokens of each account that changes from the cache. Raise the driver's error if the change stream
    fails."""
    try:
        if AuthSettings.current().auth_cache_seconds:
            await _watch()
    except ChangeStreamsUnsupported:
        log.info(
            "This MongoDB server does not support change streams: other processes may accept a revoked token for "
            "reads for up to AUTH_CACHE_SECONDS; for writes, each caller is verified in the database"
        )
    finally:
        verified_tokens.watched = False
        verified_tokens.clear()  # changes before the next stream is open are not reported
    await asyncio.Event().wait()  # nothing to watch: neither now nor later


async def _watch() -> None:
    async for user in watch_ids(User):
        if user is None:  # the stream is open; earlier changes are not reported
            verified_tokens.clear()
            verified_tokens.watched = True
        else:
            verified_tokens.evict(user)
