"""The highest marks that the parameter `scale` gives."""

from collections.abc import Sequence
from decimal import Decimal

from modules.students import SubjectCatalog
from modules.transfers.columns.header_problems import short
from modules.transfers.columns.query import MARKS
from modules.transfers.options import Column, ColumnRole

OTHERS = "*"


def scales_of(scales: Sequence[tuple[str, str]], columns: Sequence[Column]) -> tuple[dict[str, Decimal], list[str]]:
    """Return the highest marks in the file by the subjects of its columns, `*` for all others, and a sentence for each
    scale that names no column or contradicts another one.

    A scale names a subject in any spelling or by an alias, or else the name of a column that is taken for another
    subject, or left out.
    """
    if not scales:
        return {}, []
    known = SubjectCatalog.current()
    ignored = [column for column in columns if column.role is ColumnRole.IGNORED]
    subjects = [column for column in columns if column.role is ColumnRole.SUBJECT and column.subject]

    def key(name: str) -> str:
        return known.key_of(name.removeprefix(f"{MARKS}."))

    meant = {key(column.name): column.subject or "" for column in ignored + subjects}
    meant |= {key(str(column.subject)): str(column.subject) for column in subjects}
    found: dict[str, Decimal] = {}
    problems: list[str] = []
    for name, scale in scales:
        subject = OTHERS if name == OTHERS else meant.get(key(name))
        if subject is None:
            problems.append(f'scale= names the subject "{short(name)}", which the file does not have.')
        elif subject and found.setdefault(subject, Decimal(scale)) != Decimal(scale):
            problems.append(f'scale= gives "{short(name)}" two highest marks. Leave out one of them.')
    return found, problems
