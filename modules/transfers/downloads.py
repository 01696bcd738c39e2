"""What answers that are files have in common."""

import time
from collections.abc import AsyncIterator

from fastapi import Request

from core.identity import verify_account

VERIFY_SECONDS = 30.0


def download(name: str) -> dict[str, str]:
    """The headers of a file that a browser keeps under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def while_permitted(request: Request, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass on the pieces of a file that a client may take long to read, and verify the caller every `VERIFY_SECONDS`.
    Raise `Unauthenticated` or `Forbidden` otherwise, which cuts the answer off: half a file must not look complete."""
    verified = time.monotonic()
    async for piece in pieces:
        if time.monotonic() - verified >= VERIFY_SECONDS:
            await verify_account(request)
            verified = time.monotonic()
        yield piece
