"""An import's progress as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator

from core.errors import Forbidden, Unauthenticated
from modules.transfers.imports import service
from modules.transfers.models import State, Verify

PAUSE_SECONDS = 0.5

AT_WORK = {State.RECEIVING, State.RUNNING, State.UNDOING}


async def events(import_id: str, verify: Verify) -> AsyncIterator[bytes]:
    """Yield an event `progress` with the import whenever it has changed, until nobody works on it any more, or until
    the caller may not read it any more. The caller is verified before each reading."""
    told = ""
    while True:
        try:
            await verify()
        except (Unauthenticated, Forbidden):
            return
        now = await service.report(await service.get(import_id))
        text = now.model_dump_json()
        if text != told:
            yield f"event: progress\ndata: {text}\n\n".encode()
            told = text
        if now.state not in AT_WORK:
            return
        await asyncio.sleep(PAUSE_SECONDS)
