"""What each column of a file is taken for."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pydantic_core import PydanticCustomError

from core.api import normalized
from modules.students import SubjectCatalog, subject_of
from modules.transfers.columns.column_names import READ_ONLY, REASON, field_of, fields_of, name_of
from modules.transfers.columns.doubtful_names import kind_of
from modules.transfers.columns.header_problems import item, listed, problems_of, short
from modules.transfers.columns.query import IGNORE, MARKS
from modules.transfers.columns.scales import scales_of
from modules.transfers.files.table import MAX_COLUMNS, InvalidFile
from modules.transfers.options import Column, ColumnOptions, ColumnRole, Reason


def assign(header: Sequence[str], options: ColumnOptions, scales: Sequence[tuple[str, str]] = ()) -> list[Column]:
    """Return what the columns with these names are taken for. Raise `InvalidFile` with all problems at once, also those
    of the parameter `scale`."""
    names = [name_of(cell) for cell in header]
    if not any(names):
        raise InvalidFile("The first line must contain the column names: roll_no, name, branch and the subjects.")
    if len(names) > MAX_COLUMNS:
        raise InvalidFile(f"The file has more than {MAX_COLUMNS:,} columns.")
    problems: list[str] = []
    targets = _targets(names, options, problems)
    fields = fields_of(["" if number in targets else name for number, name in enumerate(names, 1)])
    columns = [
        _column(number, name, targets.get(number), field, problems)
        for number, (name, field) in enumerate(zip(names, fields, strict=True), 1)
    ]
    columns = list(_without_unneeded_names(columns))
    problems += [*problems_of(columns, options), *scales_of(scales, columns)[1]]
    if problems:
        raise InvalidFile(listed(problems))
    return columns


def is_roll_no(cell: str, options: ColumnOptions) -> bool:
    """Return whether a cell is the name of the column with the roll numbers (or, if these are made, with the names), or
    of one that a parameter names."""
    name = name_of(cell)
    fields = {"roll_no"} if options.roll_no_prefix is None else {"name", "first_name", "last_name"}
    return field_of(name) in fields or _key(name) in {_key(named) for named, _ in options.columns}


def _targets(names: Sequence[str], options: ColumnOptions, problems: list[str]) -> dict[int, str]:
    """Return the targets that parameters name, by the number of the column."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names, 1):
        numbers[f"#{number}"].append(number)
        numbers[_key(name)].append(number)
    targets: dict[int, str] = {}
    for parameter, name, target in _named(options):
        found = numbers.get(_key(name), [])
        if not found:
            problems.append(f'{parameter} names the column "{short(name)}", which the file does not have.')
        elif len(found) > 1 and target != IGNORE:
            which = ", ".join(f"#{number}" for number in found[:5])
            problems.append(f'{len(found)} columns are named "{short(name)}". Name one of them by its number: {which}.')
        targets |= dict.fromkeys(found, target)
    return targets


def _named(options: ColumnOptions) -> Iterator[tuple[str, str, str]]:
    yield from (("columns=", name, target) for name, target in options.columns)
    yield from (("ignore=", name, IGNORE) for name in options.ignore)


def _key(name: str) -> str:
    return " ".join(normalized("NFKC", name).casefold().split())


def _column(number: int, name: str, target: str | None, field: str | None, problems: list[str]) -> Column:
    role, reason, subject = _meaning(name, target, field)
    column = Column(number=number, name=name, role=role, reason=reason)
    return _with_subject(column, subject, problems) if role is ColumnRole.SUBJECT else column


def _meaning(name: str, target: str | None, field: str | None) -> tuple[ColumnRole, Reason, str]:
    """Return what a column is taken for, why, and its subject if it is one."""
    if target:
        kind, _, subject = target.partition(".")
        role = {IGNORE: ColumnRole.IGNORED, MARKS: ColumnRole.SUBJECT}.get(kind) or ColumnRole(kind)
        return role, Reason.PARAMETER, subject or name.removeprefix(f"{MARKS}.")
    if not name:
        return ColumnRole.IGNORED, Reason.UNNAMED, ""
    if name == REASON or name in READ_ONLY:
        return ColumnRole.IGNORED, Reason.NOT_IMPORTED, ""
    if field:
        return ColumnRole(field), Reason.NAME if field == name else Reason.WORD, ""
    subject = name.removeprefix(f"{MARKS}.")
    return ColumnRole.SUBJECT, Reason.OTHER if subject == name else Reason.NAME, subject


def _with_subject(column: Column, subject: str, problems: list[str]) -> Column:
    try:
        return column.model_copy(update={"subject": SubjectCatalog.current().name_of(subject_of(subject))})
    except PydanticCustomError as error:
        if column.reason is Reason.OTHER and kind_of(column.name):
            # A finding will ask about it, such as about S.No.
            return column.model_copy(update={"subject": short(column.name)})
        problems.append(
            f'Column {column.number}, "{short(column.name)}", cannot be a subject: {error.message()} Rename it with '
            f"columns={item(column, f':{MARKS}.NAME')} or leave it out with ignore={item(column)}."
        )
        return column


def _without_unneeded_names(columns: Sequence[Column]) -> Iterator[Column]:
    """Yield the columns; those of the first and the last name are ignored if there is one of the whole name."""
    has_name = any(column.role is ColumnRole.NAME for column in columns)
    for column in columns:
        is_part = column.role in (ColumnRole.FIRST_NAME, ColumnRole.LAST_NAME)
        unneeded = has_name and is_part and column.reason is not Reason.PARAMETER
        yield column.model_copy(update={"role": ColumnRole.IGNORED}) if unneeded else column
