"""`python -m core dump FILE` and `python -m core restore FILE`: a backup in one file, for any kind of server.

The file is a gzip stream of BSON documents: `{"collection": …, "document": …}` for each stored document, then
`{"count": …}`, without which the file is incomplete. The file contains no indexes: the service creates them.
"""

import argparse
import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError

from core.command import Command, CommandError, create_private_file
from core.database import Database, open_database, operation_timeout
from core.settings import current_settings

_BATCH = 1000
_SECONDS = 24 * 3600.0
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


async def _dump(arguments: argparse.Namespace) -> str:
    target: Path = arguments.file
    _refuse_existing(target)
    partial = target.with_name(f"{target.name}.partial")  # until it is complete
    with create_private_file(partial) as file:
        async with open_database(current_settings()) as database:
            with operation_timeout(_SECONDS), gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3) as packed:
                count = await _write(database, packed)
        file.flush()
        os.fsync(file.fileno())
        _refuse_existing(target)  # it may have been created meanwhile
        partial.rename(target)
    return f"Wrote {count} documents to {target}."


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):  # also true for a broken link
        raise CommandError(f"{path} already exists.")


async def _write(database: Database, file: gzip.GzipFile) -> int:
    count = 0
    for collection in await database.collections():
        async for document in database.stored(collection):
            file.write(bson.encode({"collection": collection, "document": document}))
            count += 1
    file.write(bson.encode({"count": count}))
    return count


async def _restore(arguments: argparse.Namespace) -> str:
    source: Path = arguments.file
    count = sum(1 for _ in _read(source))  # checks the whole file before anything is written
    async with open_database(current_settings()) as database:
        for collection in await database.collections():
            if await database.has_documents(collection):
                raise CommandError(
                    f"The database is not empty: it has the collection {collection}. Set MONGODB_DATABASE to another "
                    "name."
                )
        with operation_timeout(_SECONDS):
            await _store(database, source)
    return f"Restored {count} documents. Start the service to create the indexes."


async def _store(database: Database, source: Path) -> None:
    batches: dict[str, list[dict[str, Any]]] = {}
    for collection, document in _read(source):
        batches.setdefault(collection, []).append(document)
        if len(batches[collection]) == _BATCH:
            await database.store(collection, batches.pop(collection))
    for collection, documents in batches.items():
        await database.store(collection, documents)


def _read(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a dump's documents with their collections. Raise `CommandError` if the file is not a dump or incomplete."""
    count = 0
    try:
        with gzip.open(source) as file:
            for entry in bson.decode_file_iter(cast("IO[bytes]", file), _OPTIONS):
                if "count" in entry:
                    if entry["count"] == count:
                        return
                    break
                yield entry["collection"], entry["document"]
                count += 1
    except (OSError, EOFError, BSONError, KeyError) as error:
        raise CommandError(f"{source} cannot be read as a dump: {type(error).__name__}.") from None
    raise CommandError(f"{source} is incomplete.")


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the path of the dump")


dump = Command(
    name="dump",
    help="write all stored documents to one file; stop the service first",
    add_arguments=_file,
    run=_dump,
    database=False,
)
restore = Command(
    name="restore",
    help="restore a dump into an empty database",
    add_arguments=_file,
    run=_restore,
    database=False,
)
