"""The file of an import: kept in the database while it comes in, so that whoever goes on with the work has it."""

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

REMOVED = "The file was removed meanwhile, as a student was erased for good. Send it again."


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
    """The whole file, on disk for as long as it is worked on. Raises `InvalidFile` if not all of it is stored."""
    with _temporary_file() as file:
        size = 0
        async for chunk in FileChunk.find(FileChunk.import_id == work.id, batch_size=_READ_AT_ONCE).sort("+number"):
            size += await in_thread(file.write, chunk.content)
        if size != work.size:
            raise InvalidFile(REMOVED)
        await in_thread(file.flush)
        yield Path(f"/proc/self/fd/{file.fileno()}" if _HAS_UNNAMED_FILES else file.name)


def _temporary_file() -> Any:
    """Make a temporary file. Where that is possible, it has no name, so that nothing is left of it after a crash."""
    return tempfile.TemporaryFile() if _HAS_UNNAMED_FILES else tempfile.NamedTemporaryFile()


async def is_stored(work: Import) -> bool:
    """Return whether the file, or the beginning of it, is stored."""
    return await FileChunk.find(FileChunk.import_id == work.id).exists()


async def forget_all() -> None:
    """Remove the files of all imports, also of those at work, which have a copy on disk."""
    lowest = PydanticObjectId(bytes(12))
    await FileChunk.find(FileChunk.import_id >= lowest).delete()  # by the index


async def forget(work: Import) -> None:
    """Remove the file."""
    await FileChunk.find(FileChunk.import_id == work.id).delete()


def _id(work: Import) -> PydanticObjectId:
    assert work.id, "only a stored import has a file"
    return work.id
