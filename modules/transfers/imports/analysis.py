"""A first look at a file: its layout, what its columns are taken for, and what is doubtful about them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import ne
from pathlib import Path

from core.api import normalized
from modules.students import SubjectCatalog
from modules.transfers.columns.cell_values import ValueOptions
from modules.transfers.columns.derived import DOUBTS, Sample, doubts, number_in
from modules.transfers.columns.doubtful_names import highest_in
from modules.transfers.columns.identities import subject_key
from modules.transfers.columns.lists import quoted
from modules.transfers.files.csv_reader import Layout, read_csv
from modules.transfers.files.table import InvalidFile, RawRow
from modules.transfers.files.text import UTF_8, WINDOWS_1252, open_text
from modules.transfers.imports.row_reader import CsvTable, open_table
from modules.transfers.options import Column, ColumnRole, Finding, Options, Reason

# How many rows, and how many characters of them, are looked at.
SAMPLE_ROWS = 2_000
SAMPLE_SIZE = 2_000_000


@dataclass(frozen=True, slots=True)
class Analysis:
    """How a file is to be read, its first rows, and the findings about its columns."""

    table: CsvTable
    rows: Sequence[RawRow]
    findings: Sequence[Finding]

    @property
    def is_stopped(self) -> bool:
        """Whether a finding must be settled before the file can be imported."""
        return any(finding.stops for finding in self.findings)


def analyse(path: Path, options: Options, stored: Sequence[str], *, is_workbook: bool = False) -> Analysis:
    """Look at the beginning of a CSV file. `stored` are the subjects in which students have marks. These and the
    declared ones are not doubted. Raise `InvalidFile` if the file has no header that can be used."""
    table = open_table(path, options, is_workbook=is_workbook)
    rows = list(_sample(path, table))
    columns = table.columns.assigned
    settled = dict.fromkeys([*stored, *SubjectCatalog.current().declared])
    findings = [*_doubtful(table, rows, settled), *_similar(columns, settled), *_respelled(columns)]
    return Analysis(table, rows, [*_notes(table.layout, options), *findings])


def _sample(path: Path, table: CsvTable) -> Iterator[RawRow]:
    size = 0
    with open_text(path, table.layout.encoding) as file:
        for row in islice(filter(None, read_csv(file, table.layout)), SAMPLE_ROWS):
            if row.line in table.ignored_rows:
                continue
            yield row
            size += sum(map(len, row.cells))
            if size > SAMPLE_SIZE:
                return


def _notes(layout: Layout, options: Options) -> Iterator[Finding]:
    if layout.encoding == WINDOWS_1252 and options.encoding is None:
        yield Finding(
            code="encoding_assumed",
            detail="The file is not UTF-8, so Windows-1252 was assumed. If names look wrong, say its encoding.",
            settled_by="encoding=windows-1252",
        )
    if options.ignored_rows:
        detail = f"ignore_rows leaves out {len(options.ignored_rows)} rows."
        yield Finding(code="rows_ignored", detail=detail, lines=options.ignored_rows[:20])


def check_ndjson(options: Options) -> None:
    """Raise `InvalidFile` if an import of NDJSON has options that are only for tables, or another encoding."""
    of_tables = options.columns.model_dump(exclude_defaults=True) | options.cells.model_dump(exclude_defaults=True)
    given = [_PARAMETERS.get(option, option) for option in of_tables]
    given += ["ignore_rows"] if options.ignored_rows else []
    given += ["encoding"] if options.encoding not in (None, UTF_8) else []
    if given:
        named = ", ".join(f"{parameter}=" for parameter in given)
        raise InvalidFile(f"This is NDJSON (UTF-8), which has no columns, rows and cells. Leave out {named}.")


# The parameters of options with another name.
_PARAMETERS: Mapping[str, str] = {
    "roll_no_prefix": "roll_no",
    "join_names": "name",
    "local_part": "id",
    "round_decimals": "decimals",
    "decimal_comma": "decimal",
    "scales": "scale",
    "mend_roll_no": "mend",
}


def _doubtful(table: CsvTable, rows: Sequence[RawRow], settled: Collection[str]) -> Iterator[Finding]:
    """Yield a finding for each new subject that looks as if it were none."""
    subjects = [column for column in table.columns.assigned if column.role is ColumnRole.SUBJECT]
    samples = [_sample_of(rows, column, table.columns.values) for column in subjects]
    found = doubts(samples)
    for column, sample in zip(subjects, samples, strict=True):
        code = found.get(str(column.subject))
        if code and _is_open(column, settled):
            branch = _as_branch(column, table) if code == "no_numbers" else ""
            yield _stopping(
                f"column_{code}",
                column,
                f'The column "{column.name}" {DOUBTS[code]}. Leave it out, {branch}or use '
                f"columns={quoted(column.name)}:marks to import it as a subject.",
                f"ignore={quoted(column.name)}",
            )
        elif column.subject not in settled:
            yield from _other_scale(column, sample, table.columns.values)


def _sample_of(rows: Sequence[RawRow], column: Column, values: ValueOptions) -> Sample:
    cells = [row.cells[column.number - 1] if column.number <= len(row.cells) else "" for row in rows]
    marks = ["" if values.is_absent(cell) else cell for cell in cells]
    return Sample(str(column.subject), marks, sum(map(ne, cells, marks)))


def _as_branch(column: Column, table: CsvTable) -> str:
    """Return the advice that a column may be the branch, if nothing else is."""
    has_branch = table.columns.options.branch or any(one.role is ColumnRole.BRANCH for one in table.columns.assigned)
    return "" if has_branch else f"or take it for the branch with columns={quoted(column.name)}:branch, "


def _other_scale(column: Column, sample: Sample, values: ValueOptions) -> Iterator[Finding]:
    """Yield a finding if a column's name gives another highest mark than the school's, and its marks fit it."""
    named, highest = highest_in(column.name), SubjectCatalog.current().max_of(str(column.subject))
    if named is None or not 1 < named < highest or values.scale_of(str(column.subject)) is not None:
        return
    numbers = [number for number in map(number_in, sample.cells) if number is not None]
    if numbers and max(numbers) <= named:
        settled_by = f"scale={quoted(f'{column.subject}:{named.normalize():f}')}"
        yield Finding(
            code="column_scale",
            column=column.name,
            detail=f'The name "{column.name}" may say that the highest mark is {named:f}, not {highest:g}. The marks '
            f"are imported as they are; with {settled_by} they are converted.",
            settled_by=settled_by,
        )


def _similar(columns: Sequence[Column], settled: Collection[str]) -> Iterator[Finding]:
    """Yield a finding for each new subject that looks like a settled one, or like one of an earlier column."""
    known = {subject_key(subject): subject for subject in settled}
    for column in columns:
        if column.role is not ColumnRole.SUBJECT:
            continue
        similar = known.setdefault(subject_key(str(column.subject)), str(column.subject))
        if similar != column.subject and _is_open(column, settled):
            is_there = any(one.subject == similar for one in columns)
            yield _stopping(
                "subject_similar",
                column,
                f'"{column.subject}" would be a new subject, but looks like the subject "{similar}". Import it as '
                f"that, or use columns={quoted(column.name)}:marks to import it as a subject of its own.",
                f"ignore={quoted(column.name)}" if is_there else f"columns={quoted(column.name)}:marks.{similar}",
            )


def _respelled(columns: Sequence[Column]) -> Iterator[Finding]:
    """Yield a finding for each column whose name is another spelling of a stored subject, or an alias of it."""
    known = SubjectCatalog.current()
    for column in columns:
        if column.role is not ColumnRole.SUBJECT or column.subject not in known.names:
            continue
        written = normalized("NFC", column.name.removeprefix("marks."))
        if written != column.subject and known.find(written) == column.subject:
            yield Finding(
                code="subject_stored_as",
                column=column.name,
                detail=f'The column "{column.name}" is the subject "{column.subject}".',
            )


def _is_open(column: Column, settled: Collection[str]) -> bool:
    """Return whether neither a parameter nor the settled subjects say that a column is a subject."""
    return column.reason is Reason.OTHER and column.subject not in settled


def _stopping(code: str, column: Column, detail: str, settled_by: str) -> Finding:
    return Finding(code=code, column=column.name, detail=detail, settled_by=settled_by, stops=True)
