"""Imports and exports from a terminal."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

from beanie import PydanticObjectId
from pydantic import ValidationError
from tqdm import tqdm

from core.api import sentence_of
from core.command import Command, create_private_file
from core.errors import BadRequest
from modules.students import Selection, count
from modules.transfers.exports import service as exports
from modules.transfers.imports import import_job, job_runner, service
from modules.transfers.models import Import, Mode, Options, State

PIECE = 1_000_000

# Who wrote what a terminal wrote.
TERMINAL = "(terminal)"

BAR = "{percentage:3.0f}%|{bar}| {elapsed}"


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a CSV file with a header, or a .ndjson file")
    parser.add_argument("--mode", choices=[mode.value for mode in Mode], default=Mode.UPSERT.value)
    parser.add_argument("--dry-run", action="store_true", help="only tell what would happen")
    parser.add_argument("--skip-errors", action="store_true", help="import the good rows even if others are bad")
    parser.add_argument("--remove-blanks", action="store_true", help="a blank cell takes the stored mark away")


async def _import(arguments: argparse.Namespace) -> str:
    options = Options(
        mode=Mode(arguments.mode),
        dry_run=arguments.dry_run,
        skip_errors=arguments.skip_errors,
        remove_blanks=arguments.remove_blanks,
    )
    path: Path = arguments.file
    format_ = "ndjson" if path.suffix.lower() in (".ndjson", ".jsonl") else "csv"
    job = Import(id=PydanticObjectId(), by=TERMINAL, options=options, format=format_, filename=path.name)
    await service.begin(job)
    await service.receive(job, _pieces(path))
    await _followed(job)
    return await _told(job)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from None


async def _followed(job: Import) -> None:
    """Do the work of an import, with a bar that shows how far it has come."""
    try:
        async with job_runner.lifespan():
            with job_runner.place_of(TERMINAL) as place:
                task = place.start(job, import_job.carry_out)
            with tqdm(total=100, unit="%", disable=None, file=sys.stderr, bar_format=BAR) as bar:
                while not task.done():
                    await asyncio.wait({task}, timeout=0.2)
                    bar.update((job.percent or 0) - bar.n)
            await task
    except BaseException:
        address = f"POST /imports/{job.id}"
        print(
            f"The import is interrupted. {address}/resume goes on with it; {address}/undo takes it back.",
            file=sys.stderr,
        )
        raise


async def _told(job: Import) -> str:
    report = await service.report(job)
    counts = f"{report.created} new, {report.updated} changed, {report.unchanged} as they were, {report.failed} wrong"
    errors = [f"Line {one.line}{one.field and f', {one.field}'}: {one.detail}" for one in report.errors]
    if report.errors_left_out:
        errors.append(f"... and {report.errors_left_out} more rows")
    text = "\n".join([f"Import {report.id}: {report.rows} rows: {counts}.", *errors])
    if job.options.dry_run:
        text += "\nNothing was written: this was a dry run."
    elif job.state is not State.DONE:
        text += "\nNothing was written."
    wrong = report.failed and not job.options.skip_errors
    if job.state is State.DONE and not wrong:
        return text
    raise BadRequest(report.detail or text)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="where to: a name that ends with .csv or .ndjson")
    parser.add_argument(
        "--select",
        default="",
        metavar="QUERY",
        help="filters and sort as in the address of a list: 'branch=Physics&marks.math.gte=40&sort=name'",
    )


async def _export(arguments: argparse.Namespace) -> str:
    path: Path = arguments.file
    selection = _selection(arguments.select)
    pieces = exports.as_ndjson if path.suffix.lower() in (".ndjson", ".jsonl") else exports.as_csv
    total = await count(selection)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with (
            create_private_file(unfinished) as file,
            tqdm(total=total, disable=None, file=sys.stderr, unit=" students") as bar,
        ):
            async for piece in pieces(selection):
                file.write(piece)
                bar.update(piece.count(b"\n"))
        unfinished.replace(path)
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror}.") from None
    return f"Wrote {total} students to {path}."


def _selection(query: str) -> Selection:
    try:
        given = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
        return Selection.model_validate(
            {name: values if name in ("branch", "missing") else values[-1] for name, values in given.items()}
        )
    except ValidationError as error:
        detail = "; ".join(f"{'.'.join(map(str, one['loc']))}: {sentence_of(one)}" for one in error.errors())
        raise BadRequest(f"--select cannot be used: {detail}") from None
    except ValueError:
        raise BadRequest("--select must look like name=value&name=value.") from None


import_students = Command(
    name="import",
    help="import students from a CSV or NDJSON file",
    add_arguments=_import_arguments,
    run=_import,
)

export_students = Command(
    name="export",
    help="export students to a CSV or NDJSON file",
    add_arguments=_export_arguments,
    run=_export,
)
