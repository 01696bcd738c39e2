"""The preview of an import: what a file is taken for. It stores nothing."""

from collections.abc import Collection, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from beanie import PydanticObjectId

from core.database import operation_timeout
from modules.students import StudentReader, SubjectCatalog
from modules.transfers.files import spreadsheet
from modules.transfers.files.spreadsheet import Workbook
from modules.transfers.imports import findings as found
from modules.transfers.imports.analysis import SAMPLE_ROWS, Analysis, analyse, check_ndjson
from modules.transfers.imports.new_subjects import MAX_STORED
from modules.transfers.imports.query import ImportQuery
from modules.transfers.imports.row_reader import CsvTable, batches
from modules.transfers.imports.row_validation import RowOutcome, RowResult, validate_all
from modules.transfers.models import Import
from modules.transfers.options import Column, Finding
from modules.transfers.prefetch import in_thread
from modules.transfers.schemas import ColumnPreview, FindingRead, PreviewRead

SAMPLES = 3
MAX_SAMPLE = 80
MAX_COLUMNS = 500


async def preview(path: Path, query: ImportQuery, format_: str, by: str) -> PreviewRead:
    """Look at a file as an import with these options would. Raise `InvalidFile` if it cannot be read."""
    async with spreadsheet.as_text(path, query.sheet) as (text, workbook):
        with operation_timeout():
            stored = await StudentReader().subjects(MAX_STORED)
            await SubjectCatalog.read()  # for the threads that read the file
        if format_ == "ndjson" and not workbook:
            check_ndjson(query.options)
            results = await _results(text, None, query, by)
            of_file = {"format": "ndjson", "columns": [], "parameters": _parameters(query)}
            return _read(of_file, results, found.add([], results, []))
        first = await in_thread(analyse, text, query.options, stored, is_workbook=bool(workbook))
        proposed = _proposed(query, first.findings)
        analysis = await in_thread(analyse, text, proposed.options, stored, is_workbook=bool(workbook))
        if workbook:
            workbook.refuse_merged(analysis.table.layout.header_line, analysis.table.ignored_rows)
        results = await _results(text, analysis.table, proposed, by)
        settled = found.add(first.findings, results, analysis.table.columns.assigned)
        proposed = _proposed(proposed, [finding for finding in settled if finding.code == "not_a_student"])
        layout = analysis.table.layout
        described = {
            "format": "csv",
            "encoding": layout.encoding,
            "separator": layout.separator,
            "header_line": layout.header_line,
            "columns": _columns(analysis, set(stored)),
            "parameters": _parameters(proposed),
        }
        return _read(described | (_of_workbook(workbook) if workbook else {}), results, settled)


def _read(described: dict[str, Any], results: Sequence[RowResult], findings: Sequence[Finding]) -> PreviewRead:
    counts = {outcome.value: sum(one.outcome is outcome for one in results) for outcome in RowOutcome}
    shown = [FindingRead.model_validate(finding) for finding in findings]
    return PreviewRead.model_validate({**described, **counts, "rows": len(results), "findings": shown})


def _parameters(query: ImportQuery) -> dict[str, Any]:
    return query.model_dump(mode="json", exclude_defaults=True, exclude={"dry_run"})


def _proposed(query: ImportQuery, findings: Sequence[Finding]) -> ImportQuery:
    """Return the query with the parameters that settle what stops the import, and that leave out rows of no student."""
    parameters: dict[str, list[str]] = {}
    for finding in findings:
        name, _, value = (finding.settled_by or "").partition("=")
        if finding.code == "not_a_student":
            parameters.setdefault(name, []).extend(map(str, finding.lines))
        elif finding.stops:
            parameters.setdefault(name, []).append(value)
    given = query.model_dump(exclude_defaults=True)
    return ImportQuery.model_validate(
        given | {name: [*given.get(name, []), *values] for name, values in parameters.items()}
    )


async def _results(path: Path, table: CsvTable | None, query: ImportQuery, by: str) -> list[RowResult]:
    job = Import(id=PydanticObjectId(), by=by, options=query.options, format="csv" if table else "ndjson")
    results: list[RowResult] = []
    async with aclosing(batches(path, table)) as read:
        async for rows in read:
            with operation_timeout():
                results += await validate_all(rows, job)
            if len(results) >= SAMPLE_ROWS:
                break
    return results


def _columns(analysis: Analysis, stored: Collection[str]) -> list[ColumnPreview]:
    return [
        ColumnPreview(
            **column.model_dump(),
            is_new=column.subject is not None and column.subject not in stored,
            samples=_samples(column, analysis),
        )
        for column in analysis.table.columns.assigned[:MAX_COLUMNS]
    ]


def _of_workbook(workbook: Workbook) -> dict[str, Any]:
    return {"format": workbook.format, "sheet": workbook.sheet, "sheets": workbook.sheets}


def _samples(column: Column, analysis: Analysis) -> list[str]:
    """Return the first cells of a column that are not blank."""
    index = column.number - 1
    filled = (row.cells[index].strip() for row in analysis.rows if index < len(row.cells))
    return [cell[:MAX_SAMPLE] for cell, _ in zip(filter(None, filled), range(SAMPLES), strict=False)]
