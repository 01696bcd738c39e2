"""The commands `import` and `export`."""

import argparse
import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar, get_origin
from urllib.parse import parse_qs, quote

from beanie import PydanticObjectId
from pydantic import BaseModel, JsonValue, ValidationError
from tqdm import tqdm

from core.api import sentence_of
from core.command import Command, create_private_file
from core.errors import BadRequest
from modules.students import Selection, StudentReader
from modules.transfers.downloads.query import CSV, DECIMALS, NDJSON, SEPARATORS, XLSX, StyleQuery
from modules.transfers.exports import service as exports
from modules.transfers.files.formats import format_of
from modules.transfers.files.table import InvalidFile
from modules.transfers.imports import import_job, job_runner, service
from modules.transfers.imports.preview import preview
from modules.transfers.imports.query import ImportQuery
from modules.transfers.models import Import, State
from modules.transfers.options import Mode
from modules.transfers.schemas import ImportRead, PreviewRead

PIECE = 1_000_000

# The author of changes that the command makes.
TERMINAL = "(terminal)"

BAR = "{percentage:3.0f}%|{bar}| {elapsed}"


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a CSV file with a header, a workbook (.xlsx, .ods), or a .ndjson file")
    parser.add_argument("--sheet", help="the sheet of a workbook: its name, or its number")
    parser.add_argument(
        "--options",
        default="",
        metavar="QUERY",
        help="how the file is read, as in the query of POST /imports: 'columns=ID number:roll_no&ignore=Total'",
    )
    parser.add_argument("--yes", action="store_true", help="import without asking")
    parser.add_argument("--mode", choices=[mode.value for mode in Mode])
    parser.add_argument("--dry-run", action="store_true", help="validate and report without writing")
    parser.add_argument("--skip-errors", action="store_true", help="import the valid rows even if others are invalid")
    parser.add_argument("--remove-blanks", action="store_true", help="remove the stored mark if a cell is blank")
    parser.add_argument(
        "--identity",
        choices=["check", "exact"],
        help="check: reject rows whose roll number or name is similar to a stored one; exact: import them as they are",
    )


async def _import(arguments: argparse.Namespace) -> str:
    query = _import_query(arguments)
    path: Path = arguments.file
    format_ = format_of(path.name)
    await _show_preview(path, query, format_, ask=not (arguments.yes or query.dry_run))
    job = Import(id=PydanticObjectId(), by=TERMINAL, options=query.options, format=format_, filename=path.name)
    await service.begin(job)
    await service.receive(job, _pieces(path))
    await _run_with_progress_bar(job)
    return await _summary(job)


def _import_query(arguments: argparse.Namespace) -> ImportQuery:
    """Return the options of an import: those of `--options`, changed by the other arguments."""
    changes = {
        "mode": arguments.mode,
        "dry_run": arguments.dry_run or None,
        "on_error": "skip" if arguments.skip_errors else None,
        "blank": "remove" if arguments.remove_blanks else None,
        "sheet": arguments.sheet,
        "identity": arguments.identity,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return _query(ImportQuery, arguments.options, "--options", given)


async def _show_preview(path: Path, query: ImportQuery, format_: str, *, ask: bool) -> None:
    """Print what a file is taken for. If asked to, raise `BadRequest` unless the user confirms the import."""
    try:
        await asyncio.to_thread(path.open("rb").close)
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from None
    try:
        shown = await preview(path, query, format_, TERMINAL)
    except InvalidFile as error:
        raise BadRequest(error.detail or "") from None
    print("\n".join(_lines_of(shown)), file=sys.stderr)
    if any(finding.stops for finding in shown.findings):
        decided = shlex.quote("&".join(_as_query(shown.parameters)))
        raise BadRequest(
            f"Nothing was imported, because columns need a decision. To follow the table: --options {decided}"
        )
    if ask and not await asyncio.to_thread(_confirms):
        raise BadRequest("Nothing was imported. Confirm with y, or use --yes.")


def _as_query(parameters: Mapping[str, JsonValue]) -> Iterator[str]:
    """Yield parameters as they stand in a query, which a person can read: only what a query needs is encoded."""
    for name, value in parameters.items():
        texts = list(map(str, value)) if isinstance(value, list) else [str(value)]
        for text in texts if name == "ignore_rows" else [",".join(texts)]:
            yield f"{name}={re.sub('[%&+]', lambda sign: quote(sign[0]), text)}"


def _confirms() -> bool:
    print("Import this file? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _lines_of(shown: PreviewRead) -> Iterator[str]:
    """Yield the lines of a preview: a table of the columns, and the findings."""
    rows = [("column", "taken for", "first cells")]
    for column in shown.columns:
        new = " (new)" if column.is_new else ""
        taken_for = f"subject {column.subject}{new}" if column.subject else column.role.value
        rows.append((column.name or f"#{column.number}", taken_for, ", ".join(column.samples)))
    widths = [max(len(row[index]) for row in rows) for index in (0, 1)]
    if shown.columns:
        yield from (f"{name:{widths[0]}}  {taken:{widths[1]}}  {cells}".rstrip() for name, taken, cells in rows)
    for finding in shown.findings:
        lines = f" (lines {', '.join(map(str, finding.lines[:5]))})" if finding.lines else ""
        settled = f" [{finding.settled_by}]" if finding.settled_by else ""
        yield f"{finding.code}: {finding.detail}{lines}{settled}"


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
                task = slot.start(job, import_job.run)
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
    text = "\n".join([f"Import {report.id}: {report.rows} rows: {counts}.", *_notable(report), *errors])
    if job.options.dry_run:
        text += "\nNothing was written: this was a dry run."
    elif job.state is not State.DONE:
        text += "\nNothing was written."
    if job.state is State.DONE:
        return text
    raise BadRequest(report.detail or text)


def _notable(report: ImportRead) -> Iterator[str]:
    """Yield lines about what the counts do not show."""
    if report.name_changes:
        yield f"Name changes: {report.name_changes}. GET /imports/{report.id}/plan begins with them."
    if report.new_subjects:
        yield "New subjects: " + ", ".join(f"{new.subject} ({new.rows} rows)" for new in report.new_subjects)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file to write, with the extension .csv, .xlsx or .ndjson")
    parser.add_argument(
        "--select",
        default="",
        metavar="QUERY",
        help="filters and sort order as in the query of GET /students: 'branch=Physics&marks.math.gte=40&sort=name'",
    )
    parser.add_argument("--separator", choices=SEPARATORS, default=",", help="between the cells of a CSV file")
    parser.add_argument("--decimal", choices=DECIMALS, default=".", help="the decimal mark of numbers in a CSV file")


async def _export(arguments: argparse.Namespace) -> str:
    path: Path = arguments.file
    selection = _query(Selection, arguments.select, "--select")
    style = StyleQuery(separator=arguments.separator, decimal=arguments.decimal).style
    total = await StudentReader(selection).count()
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with (
            create_private_file(unfinished) as file,
            tqdm(total=total, disable=None, file=sys.stderr, unit=" students") as bar,
        ):
            students = _counted(exports.read(selection), bar)
            async for piece in await exports.file(selection, students, _format_of(path), style):
                file.write(piece)
        unfinished.replace(path)
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror}.") from None
    return f"Wrote {total} students to {path}."


def _format_of(path: Path) -> str:
    suffix = path.suffix.lower()
    return NDJSON if suffix in (".ndjson", ".jsonl") else XLSX if suffix == ".xlsx" else CSV


async def _counted(pages: exports.Pages, bar: "tqdm[NoReturn]") -> exports.Pages:
    async for page in pages:
        yield page
        bar.update(len(page))


Query = TypeVar("Query", bound=BaseModel)


def _query(kind: type[Query], text: str, argument: str, changes: Mapping[str, object] | None = None) -> Query:
    """Return the parameters in a query such as `a=1&b=2`, with changes. Raise `BadRequest` if they are invalid."""
    fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    try:
        given = parse_qs(text, keep_blank_values=True, strict_parsing=bool(text))
        values = {name: found if get_origin(fields.get(name)) is list else found[-1] for name, found in given.items()}
        return kind.model_validate({**values, **(changes or {})})
    except ValidationError as error:
        detail = "; ".join(f"{'.'.join(map(str, one['loc']))}: {sentence_of(one)}" for one in error.errors())
        raise BadRequest(f"{argument} is invalid: {detail}") from None
    except ValueError:
        raise BadRequest(f"{argument} must have the form name=value&name=value.") from None


import_students = Command(
    name="import",
    help="import students from a CSV file, a workbook or an NDJSON file",
    add_arguments=_import_arguments,
    run=_import,
)

export_students = Command(
    name="export",
    help="export students to a CSV, XLSX or NDJSON file",
    add_arguments=_export_arguments,
    run=_export,
)
