"""Storage of an import's file in the database, where any process that resumes the import can read it."""

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from beanie import PydanticObjectId

from core.database import check_disk_space
from core.errors import Conflict
from modules.transfers.models import FileChunk, Import
from modules.transfers.prefetch import in_thread
from modules.transfers.schemas import ImportProblem

CHUNK = 1_000_000
_HAS_UNNAMED_FILES = sys.platform == "linux"
_READ_AT_ONCE = 4

DELETED = "The file was deleted, because a student was erased permanently. Send it again."


class FileDeleted(Conflict):
    """A student was erased permanently while the file was waiting. The file might name that student, so it was deleted,
    and nothing of it was imported. Send it again."""

    title = "File deleted"
    extension = ImportProblem


async def store(job: Import, stream: AsyncIterator[bytes]) -> tuple[int, str]:
    """Store a file while it is received, and return its size in bytes and its fingerprint."""
    size, number, waiting, digest = 0, 0, bytearray(), blake2b(digest_size=16)
    async for piece in stream:
        size += len(piece)
        digest.update(piece)
        waiting += piece
        while len(waiting) >= CHUNK:
            check_disk_space()
            await FileChunk(
                import_id=_id(job), number=number, content=bytes(waiting[:CHUNK]), expires_at=job.expires_at
            ).insert()
            del waiting[:CHUNK]
            number += 1
    await FileChunk(import_id=_id(job), number=number, content=bytes(waiting), expires_at=job.expires_at).insert()
    return size, digest.hexdigest()


async def fingerprint(stream: AsyncIterator[bytes]) -> str:
    """Return the fingerprint of a file without storing it."""
    digest = blake2b(digest_size=16)
    async for piece in stream:
        digest.update(piece)
    return digest.hexdigest()


@asynccontextmanager
async def on_disk(job: Import) -> AsyncIterator[Path]:
    """Copy the file to disk while the context is open, and yield its path. Raise `FileDeleted` if a part is missing."""
    with _temporary_file() as (file, path):
        size = 0
        async for chunk in FileChunk.find(FileChunk.import_id == job.id, batch_size=_READ_AT_ONCE).sort("+number"):
            size += await in_thread(file.write, chunk.content)
        if size != job.size:
            raise FileDeleted(DELETED)
        await in_thread(file.flush)
        yield path


@asynccontextmanager
async def received(stream: AsyncIterator[bytes]) -> AsyncIterator[Path]:
    """Receive a file on disk without storing it in the database, and yield its path while the context is open."""
    with _temporary_file() as (file, path):
        async for piece in stream:
            await in_thread(file.write, piece)
        await in_thread(file.flush)
        yield path


@contextmanager
def temporary_path() -> Iterator[Path]:
    """Make an empty file, and yield its path. The file exists while the context is open."""
    with _temporary_file() as (_, path):
        yield path


@contextmanager
def _temporary_file() -> Iterator[tuple[Any, Path]]:
    """Open a temporary file. On Linux it has no name, so that nothing remains of it after a crash."""
    with tempfile.TemporaryFile() if _HAS_UNNAMED_FILES else tempfile.NamedTemporaryFile() as file:
        yield file, Path(f"/proc/self/fd/{file.fileno()}" if _HAS_UNNAMED_FILES else file.name)


async def is_stored(job: Import) -> bool:
    """Return whether the file, or a part of it, is stored."""
    return await FileChunk.find(FileChunk.import_id == job.id).exists()


async def delete_all() -> None:
    """Delete the files of all imports. Running imports continue with their copy on disk."""
    lowest = PydanticObjectId(bytes(12))
    await FileChunk.find(FileChunk.import_id >= lowest).delete()  # the filter makes MongoDB use the index


async def delete(job: Import) -> None:
    """Delete the file of an import."""
    await FileChunk.find(FileChunk.import_id == job.id).delete()


def _id(job: Import) -> PydanticObjectId:
    assert job.id, "only a stored import has a file"
    return job.id
