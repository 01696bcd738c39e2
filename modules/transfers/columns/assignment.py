"""What each column of a file is taken for."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from pydantic_core import PydanticCustomError

from modules.students import subject_of
from modules.transfers.columns.column_names import FIELDS, READ_ONLY, REASON, field_of, fields_of, name_of
from modules.transfers.columns.derived import kind_of
from modules.transfers.columns.query import IGNORE, MARKS, quoted
from modules.transfers.files.table import MAX_COLUMNS, InvalidFile
from modules.transfers.options import Column, ColumnOptions, ColumnRole, Reason

# The maximum length of all problems together, in characters.
MAX_DETAIL = 1_900
MAX_NAME = 80


def assign(header: Sequence[str], options: ColumnOptions) -> list[Column]:
    """Return what the columns with these names are taken for. Raise `InvalidFile` with all problems at once."""
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
    misspelt = list(_misspelt(columns))
    problems += [*_contradictions(columns), *misspelt, *_gaps(columns, options, is_misspelt=bool(misspelt))]
    if problems:
        raise InvalidFile(_listed(problems))
    return columns


def is_roll_no(cell: str, options: ColumnOptions) -> bool:
    """Return whether a cell is the name of the column with the roll numbers, or of one that a parameter names."""
    name = name_of(cell)
    return field_of(name) == "roll_no" or _key(name) in {_key(named) for named, _ in options.columns}


def _listed(problems: Sequence[str]) -> str:
    """Return as many problems as a message can hold, and the number of the others."""
    length, count = 0, 0
    while count < len(problems) and (length := length + len(problems[count]) + 1) <= MAX_DETAIL:
        count += 1
    left = [f"There are {len(problems) - count:,} more problems."] if count < len(problems) else []
    return " ".join([*problems[:count], *left])


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
            problems.append(f'{parameter} names the column "{_short(name)}", which the file does not have.')
        elif len(found) > 1 and target != IGNORE:
            which = ", ".join(f"#{number}" for number in found[:5])
            problems.append(
                f'{len(found)} columns are named "{_short(name)}". Name one of them by its number: {which}.'
            )
        targets |= dict.fromkeys(found, target)
    return targets


def _named(options: ColumnOptions) -> Iterator[tuple[str, str, str]]:
    yield from (("columns=", name, target) for name, target in options.columns)
    yield from (("ignore=", name, IGNORE) for name in options.ignore)


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


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
        return column.model_copy(update={"subject": subject_of(subject)})
    except PydanticCustomError as error:
        if column.reason is Reason.OTHER and kind_of(column.name):
            # A finding will ask about it, such as about S.No.
            return column.model_copy(update={"subject": _short(column.name)})
        problems.append(
            f'Column {column.number}, "{_short(column.name)}", cannot be a subject: {error.message()} Rename it with '
            f"columns={_item(column, f':{MARKS}.NAME')} or leave it out with ignore={_item(column)}."
        )
        return column


def _without_unneeded_names(columns: Sequence[Column]) -> Iterator[Column]:
    """Yield the columns; those of the first and the last name are ignored if there is one of the whole name."""
    has_name = any(column.role is ColumnRole.NAME for column in columns)
    for column in columns:
        is_part = column.role in (ColumnRole.FIRST_NAME, ColumnRole.LAST_NAME)
        unneeded = has_name and is_part and column.reason is not Reason.PARAMETER
        yield column.model_copy(update={"role": ColumnRole.IGNORED}) if unneeded else column


def _contradictions(columns: Sequence[Column]) -> Iterator[str]:
    """Yield a problem for each field or subject that several columns are taken for."""
    same: Mapping[tuple[ColumnRole, str | None], list[Column]] = defaultdict(list)
    for column in columns:
        if column.role is not ColumnRole.IGNORED and (column.subject or column.role is not ColumnRole.SUBJECT):
            same[column.role, column.subject].append(column)
    for (role, subject), found in same.items():
        if len(found) > 1:
            listed = " and ".join(f'{column.number} "{_short(column.name)}"' for column in found[:5])
            what = f'the subject "{_short(subject)}"' if subject else role.value
            last = f"#{found[-1].number}"
            other = f" or give it another name with columns={last}:{MARKS}.NAME" if subject else ""
            yield f"Columns {listed} are all taken for {what}. Leave out all but one, as with ignore={last}{other}."


def _misspelt(columns: Sequence[Column]) -> Iterator[str]:
    """Yield a problem for each field that no column is taken for, but a column's name is almost a word for."""
    roles = {column.role for column in columns}
    names = {_field_form(column.name): column for column in columns if column.reason is Reason.OTHER}
    for field in FIELDS:
        if ColumnRole(field) in roles or (field == "name" and {ColumnRole.FIRST_NAME, ColumnRole.LAST_NAME} <= roles):
            continue
        for close in get_close_matches(field, names, n=1, cutoff=0.85):
            column = names[close]
            yield (
                f'Unknown column "{_short(column.name)}". Did you mean {field}? Say columns={_item(column, f":{field}")} '
                f"or columns={_item(column, f':{MARKS}')}."
            )


def _field_form(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.casefold())


def _gaps(columns: Sequence[Column], options: ColumnOptions, *, is_misspelt: bool) -> Iterator[str]:
    """Yield a problem for each field that no column or parameter has, or both have. A missing roll number is none of
    them if the name of a column is misspelt."""
    found = {column.role: column for column in columns}
    named = ", ".join(f'"{_short(column.name)}"' for column in columns[:20] if column.name)
    if options.roll_no_prefix is None and ColumnRole.ROLL_NO not in found and not is_misspelt:
        yield (
            "No column is recognized as the roll number. Name it with columns=NAME:roll_no, or make roll numbers with "
            f"roll_no=number:PREFIX. The columns are {named or 'without names'}."
        )
    if options.roll_no_prefix is not None and ColumnRole.ROLL_NO in found:
        yield _both("roll_no=", "roll number", found[ColumnRole.ROLL_NO])
    if options.branch is not None and ColumnRole.BRANCH in found:
        yield _both("branch=", "branch", found[ColumnRole.BRANCH])
    yield from _gaps_of_names(found, join=options.join_names)


def _gaps_of_names(found: Mapping[ColumnRole, Column], *, join: bool) -> Iterator[str]:
    whole = found.get(ColumnRole.NAME)
    parts = [found[role] for role in (ColumnRole.FIRST_NAME, ColumnRole.LAST_NAME) if role in found]
    listed = " and ".join(f'"{_short(part.name)}"' for part in parts)
    if join and whole:
        yield (
            f'The column "{_short(whole.name)}" has whole names, so there is nothing to join. Leave out name=join; or, '
            f"to join two other columns, leave out this one with ignore={_item(whole)}."
        )
    elif len(parts) == 2 and not join:
        yield f"Columns {listed} are parts of the name. Join them with name=join."
    elif len(parts) == 1:
        yield (
            f"Column {listed} is only a part of the name. Name the column of the other part with "
            f"columns=NAME:{_OTHER_PART[parts[0].role]} and join them with name=join, or take this one for the whole "
            f"name with columns={_item(parts[0], ':name')}."
        )
    elif join and not parts:
        yield (
            "name=join needs a column of the first name and one of the last name. Name them with "
            "columns=NAME:first_name and columns=NAME:last_name."
        )


_OTHER_PART = {
    ColumnRole.FIRST_NAME: ColumnRole.LAST_NAME.value,
    ColumnRole.LAST_NAME: ColumnRole.FIRST_NAME.value,
}


def _both(parameter: str, what: str, column: Column) -> str:
    name = _short(column.name)
    return f'Both {parameter} and the column "{name}" give the {what}. Leave the column out with ignore={_item(column)}.'


def _item(column: Column, target: str = "") -> str:
    """Return a column, with a target, as it stands in a list of a parameter: by its name, or by its number if its name
    is long."""
    return quoted(f"{column.name if len(column.name) <= MAX_NAME else f'#{column.number}'}{target}")


def _short(name: str | None) -> str:
    return (name or "")[:MAX_NAME]
