"""Progress of an import as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator

from core.errors import Forbidden, Unauthenticated
from modules.transfers.imports import service
from modules.transfers.models import State, Verify

PAUSE_SECONDS = 0.5

ACTIVE_STATES = {State.RECEIVING, State.RUNNING, State.UNDOING}


async def events(import_id: str, verify: Verify) -> AsyncIterator[bytes]:
    """Yield a `progress` event with the import each time it changes, until its job ends or the caller loses access. The
    caller is verified before each read."""
    sent = ""
    while True:
        try:
            await verify()
        except (Unauthenticated, Forbidden):
            return
        now = await service.report(await service.get(import_id))
        text = now.model_dump_json()
        if text != sent:
            yield f"event: progress\ndata: {text}\n\n".encode()
            sent = text
        if now.state not in ACTIVE_STATES:
            return
        await asyncio.sleep(PAUSE_SECONDS)
