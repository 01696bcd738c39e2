"""Storage of an import's file in the database, where any process that resumes the import can read it."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from beanie import PydanticObjectId

from core.database import check_room
from modules.transfers.files.csv_reader import InvalidFile
from modules.transfers.models import FileChunk, Import
from modules.transfers.prefetch import in_thread

CHUNK = 1_000_000
_HAS_UNNAMED_FILES = sys.platform == "linux"
_READ_AT_ONCE = 4

REMOVED = "The file was deleted, because a student was erased permanently. Send it again."


async def store(work: Import, stream: AsyncIterator[bytes]) -> tuple[int, str]:
    """Store a file while it is received, and return its size in bytes and its fingerprint."""
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
    """Return the fingerprint of a file without storing it."""
    digest = blake2b(digest_size=16)
    async for piece in stream:
        digest.update(piece)
    return digest.hexdigest()


@asynccontextmanager
async def on_disk(work: Import) -> AsyncIterator[Path]:
    """Copy the file to disk while the context is open, and yield its path. Raise `InvalidFile` if a part is missing."""
    with _temporary_file() as file:
        size = 0
        async for chunk in FileChunk.find(FileChunk.import_id == work.id, batch_size=_READ_AT_ONCE).sort("+number"):
            size += await in_thread(file.write, chunk.content)
        if size != work.size:
            raise InvalidFile(REMOVED)
        await in_thread(file.flush)
        yield Path(f"/proc/self/fd/{file.fileno()}" if _HAS_UNNAMED_FILES else file.name)


def _temporary_file() -> Any:
    """Open a temporary file. On Linux it has no name, so that nothing remains of it after a crash."""
    return tempfile.TemporaryFile() if _HAS_UNNAMED_FILES else tempfile.NamedTemporaryFile()


async def is_stored(work: Import) -> bool:
    """Return whether the file, or a part of it, is stored."""
    return await FileChunk.find(FileChunk.import_id == work.id).exists()


async def forget_all() -> None:
    """Delete the files of all imports. Running imports continue with their copy on disk."""
    lowest = PydanticObjectId(bytes(12))
    await FileChunk.find(FileChunk.import_id >= lowest).delete()  # the filter makes MongoDB use the index


async def forget(work: Import) -> None:
    """Delete the file of an import."""
    await FileChunk.find(FileChunk.import_id == work.id).delete()


def _id(work: Import) -> PydanticObjectId:
    assert work.id, "only a stored import has a file"
    return work.id
