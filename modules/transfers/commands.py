"""The commands `import` and `export`."""

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
from modules.students import Selection, StudentReader
from modules.transfers.exports import service as exports
from modules.transfers.imports import import_job, job_runner, service
from modules.transfers.models import Import, Mode, Options, State

PIECE = 1_000_000

# The author of changes that the command makes.
TERMINAL = "(terminal)"

BAR = "{percentage:3.0f}%|{bar}| {elapsed}"


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a CSV file with a header, or a .ndjson file")
    parser.add_argument("--mode", choices=[mode.value for mode in Mode], default=Mode.UPSERT.value)
    parser.add_argument("--dry-run", action="store_true", help="validate and report without writing")
    parser.add_argument("--skip-errors", action="store_true", help="import the valid rows even if others are invalid")
    parser.add_argument("--remove-blanks", action="store_true", help="remove the stored mark if a cell is blank")


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
    await _run_with_progress_bar(job)
    return await _summary(job)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from None


async def _run_with_progress_bar(job: Import) -> None:
    """Run an import and show its progress. If it is interrupted, print how to resume or undo it."""
    try:
        async with job_runner.lifespan():
            with job_runner.hold_slot(TERMINAL) as slot:
                task = slot.start(job, import_job.carry_out)
            with tqdm(total=100, unit="%", disable=None, file=sys.stderr, bar_format=BAR) as bar:
                while not task.done():
                    await asyncio.wait({task}, timeout=0.2)
                    bar.update((job.percent or 0) - bar.n)
            await task
    except BaseException:
        address = f"POST /imports/{job.id}"
        print(
            f"The import was interrupted. Send {address}/resume to resume it, or {address}/undo to undo it.",
            file=sys.stderr,
        )
        raise


async def _summary(job: Import) -> str:
    """Return the summary of an import. Raise `BadRequest` with it if the import did not succeed."""
    report = await service.report(job)
    counts = f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged, {report.failed} failed"
    errors = [f"Line {one.line}{one.field and f', {one.field}'}: {one.detail}" for one in report.errors]
    if report.errors_left_out:
        errors.append(f"... and {report.errors_left_out} more failed rows")
    text = "\n".join([f"Import {report.id}: {report.rows} rows: {counts}.", *errors])
    if job.options.dry_run:
        text += "\nNothing was written: this was a dry run."
    elif job.state is not State.DONE:
        text += "\nNothing was written."
    is_rejected = report.failed and not job.options.skip_errors
    if job.state is State.DONE and not is_rejected:
        return text
    raise BadRequest(report.detail or text)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file to write, with the extension .csv or .ndjson")
    parser.add_argument(
        "--select",
        default="",
        metavar="QUERY",
        help="filters and sort order as in the query of GET /students: 'branch=Physics&marks.math.gte=40&sort=name'",
    )


async def _export(arguments: argparse.Namespace) -> str:
    path: Path = arguments.file
    selection = _selection(arguments.select)
    pieces = exports.as_ndjson if path.suffix.lower() in (".ndjson", ".jsonl") else exports.as_csv
    total = await StudentReader(selection).count()
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
        raise BadRequest(f"--select is invalid: {detail}") from None
    except ValueError:
        raise BadRequest("--select must have the form name=value&name=value.") from None


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
