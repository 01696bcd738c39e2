"""The file of an import: kept in the database while it comes in, so that whoever goes on with the work has it."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

from beanie import PydanticObjectId

from core.outage import check_room
from modules.transfers.models import FileChunk, Import

CHUNK = 1_000_000


async def store(work: Import, stream: AsyncIterator[bytes]) -> tuple[int, str]:
    """Keep a file as it comes in; answers with its size in bytes and its fingerprint."""
    size, number, waiting, digest = 0, 0, bytearray(), blake2b(digest_size=16)
    async for piece in stream:
        size += len(piece)
        digest.update(piece)
        waiting += piece
        while len(waiting) >= CHUNK:
            check_room()
            await FileChunk(
                import_id=_id(work), number=number, content=bytes(waiting[:CHUNK]), expires_at=work.expires_at
            ).insert()
            del waiting[:CHUNK]
            number += 1
    await FileChunk(import_id=_id(work), number=number, content=bytes(waiting), expires_at=work.expires_at).insert()
    return size, digest.hexdigest()


async def fingerprint(stream: AsyncIterator[bytes]) -> str:
    """That of a file which is not to be kept."""
    digest = blake2b(digest_size=16)
    async for piece in stream:
        digest.update(piece)
    return digest.hexdigest()


@asynccontextmanager
async def on_disk(work: Import) -> AsyncIterator[Path]:
    """The whole file, on disk for as long as it is worked on."""
    with tempfile.NamedTemporaryFile() as file:
        async for chunk in FileChunk.find(FileChunk.import_id == work.id).sort("+number"):
            file.write(chunk.content)
        file.flush()
        yield Path(file.name)


async def forget(work: Import) -> None:
    """Remove the file."""
    await FileChunk.find(FileChunk.import_id == work.id).delete()


def _id(work: Import) -> PydanticObjectId:
    assert work.id, "only a stored import has a file"
    return work.id
