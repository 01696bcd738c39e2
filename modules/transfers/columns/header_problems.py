"""The problems of a header: what contradicts itself, what is misspelt, and what is missing."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from modules.students import SubjectCatalog
from modules.transfers.columns.column_names import FIELDS
from modules.transfers.columns.lists import quoted
from modules.transfers.columns.query import MARKS
from modules.transfers.options import Column, ColumnOptions, ColumnRole, Reason

# The maximum length of all problems together, in characters.
MAX_DETAIL = 1_900
MAX_NAME = 80


def problems_of(columns: Sequence[Column], options: ColumnOptions) -> list[str]:
    """Return a sentence for each problem of columns that were assigned with these options."""
    misspelt = list(_misspelt(columns))
    return [*_contradictions(columns), *misspelt, *_gaps(columns, options, is_misspelt=bool(misspelt))]


def listed(problems: Sequence[str]) -> str:
    """Return as many problems as a message can hold, and the number of the others."""
    length, count = 0, 0
    while count < len(problems) and (length := length + len(problems[count]) + 1) <= MAX_DETAIL:
        count += 1
    left = [f"There are {len(problems) - count:,} more problems."] if count < len(problems) else []
    return " ".join([*problems[:count], *left])


def item(column: Column, target: str = "") -> str:
    """Return a column, with a target, as it stands in a list of a parameter: by its name, or by its number if its name
    is long."""
    return quoted(f"{column.name if len(column.name) <= MAX_NAME else f'#{column.number}'}{target}")


def short(name: str | None) -> str:
    """Return a name as a sentence shows it."""
    return (name or "")[:MAX_NAME]


def _contradictions(columns: Sequence[Column]) -> Iterator[str]:
    """Yield a problem for each field or subject that several columns are taken for."""
    known = SubjectCatalog.current()
    same: Mapping[tuple[ColumnRole, str | None], list[Column]] = defaultdict(list)
    for column in columns:
        if column.role is not ColumnRole.IGNORED and (column.subject or column.role is not ColumnRole.SUBJECT):
            same[column.role, column.subject and known.key_of(column.subject)].append(column)
    for (role, _), found in same.items():
        if len(found) > 1:
            subject = found[0].subject
            which = " and ".join(f'{column.number} "{short(column.name)}"' for column in found[:5])
            what = f'the subject "{short(subject)}"' if subject else role.value
            last = f"#{found[-1].number}"
            other = f" or give it another name with columns={last}:{MARKS}.NAME" if subject else ""
            yield f"Columns {which} are all taken for {what}. Leave out all but one, as with ignore={last}{other}."


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
                f'Unknown column "{short(column.name)}". Did you mean {field}? Say '
                f"columns={item(column, f':{field}')} or columns={item(column, f':{MARKS}')}."
            )


def _field_form(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.casefold())


def _gaps(columns: Sequence[Column], options: ColumnOptions, *, is_misspelt: bool) -> Iterator[str]:
    """Yield a problem for each field that no column or parameter has, or both have. A missing roll number is none of
    them if the name of a column is misspelt."""
    found = {column.role: column for column in columns}
    named = ", ".join(f'"{short(column.name)}"' for column in columns[:20] if column.name)
    if options.roll_no_prefix is None and len(columns) == 1 and ColumnRole.ROLL_NO not in found:
        yield (
            f"The file has only one column, {named}. Cells are separated by commas, semicolons, tabs or |, and whole "
            "rows are not in quotation marks."
        )
    elif options.roll_no_prefix is None and ColumnRole.ROLL_NO not in found and not is_misspelt:
        yield (
            "No column is recognized as the roll number. Name it with columns=NAME:roll_no, or make roll numbers with "
            f"roll_no=number:PREFIX. The columns are {named or 'without names'}."
        )
    if options.roll_no_prefix is not None and ColumnRole.ROLL_NO in found:
        yield _both("roll_no=", "roll number", found[ColumnRole.ROLL_NO])
    if options.roll_no_prefix is not None and options.local_part:
        yield "Both roll_no= and id= say how roll numbers are made. Leave out one of them."
    if options.branch is not None and ColumnRole.BRANCH in found:
        yield _both("branch=", "branch", found[ColumnRole.BRANCH])
    yield from _gaps_of_names(found, join=options.join_names)


def _gaps_of_names(found: Mapping[ColumnRole, Column], *, join: bool) -> Iterator[str]:
    whole = found.get(ColumnRole.NAME)
    parts = [found[role] for role in (ColumnRole.FIRST_NAME, ColumnRole.LAST_NAME) if role in found]
    names = " and ".join(f'"{short(part.name)}"' for part in parts)
    if join and whole:
        yield (
            f'The column "{short(whole.name)}" has whole names, so there is nothing to join. Leave out name=join; or, '
            f"to join two other columns, leave out this one with ignore={item(whole)}."
        )
    elif len(parts) == 2 and not join:
        yield f"Columns {names} are parts of the name. Join them with name=join."
    elif len(parts) == 1:
        yield (
            f"Column {names} is only a part of the name. Name the column of the other part with "
            f"columns=NAME:{_OTHER_PART[parts[0].role]} and join them with name=join, or take this one for the whole "
            f"name with columns={item(parts[0], ':name')}."
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
    name = short(column.name)
    return f'Both {parameter} and the column "{name}" give the {what}. Leave the column out with ignore={item(column)}.'
