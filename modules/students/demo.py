"""The students of the made-up school: 300 in six branches, the same in each run."""

import random
from collections.abc import Iterator
from typing import Any

from core.command import CommandError
from core.identity import Role
from core.module import Demo
from modules.students.models import StudentDocument
from modules.students.records.bulk import StudentBulkStore
from modules.students.schemas import StudentCreate
from modules.students.settings import MarkSettings

NUMBER = 300

# The mean mark of each subject, as a fraction of the highest mark, and how much a branch differs from it.
_SUBJECTS = {"math": 0.62, "physics": 0.58, "chemistry": 0.66, "english": 0.71, "art": 0.76}
_BRANCHES = {
    "Computer Science": {"math": 0.12, "physics": 0.06},
    "Physics": {"math": 0.09, "physics": 0.14},
    "Chemistry": {"chemistry": 0.14},
    "Biology": {"chemistry": 0.06, "math": -0.08},
    "History": {"english": 0.1, "math": -0.12, "physics": -0.1},
    "Fine Arts": {"art": 0.12, "math": -0.14, "chemistry": -0.1},
}

_FIRST_NAMES = (
    "Amara Anjali Björn Carlos Chloé Daria Elif Emeka Fatima Farid Grace Hana Hugo Ingrid Ivan Jamal Jia Kofi Lena "
    "Lucía Mateo Mei Nadia Noor Olga Omar Priya Quentin Rosa Sanjay Siân Tariq Uma Vera Wei Yara Yusuf Zoë Zuri"
)
_LAST_NAMES = (
    "Achterberg Baker Castro Diallo Eriksson Fischer García Hoang Ibrahim Jensen Kapoor Lindqvist Mbeki Müller Nakano "
    "Okafor Petrov Quispe Rossi Şahin Tanaka Ueda Varga Wójcik Yamada Zhang"
)

# The student of the sample calls. One of them changes her roll number to S102, so no other student has that one.
_ASHA = {"roll_no": "S101", "name": "Asha Rao", "branch": "Computer Science"}
_ASHAS_MARKS = {"math": 0.91, "physics": 0.785}
_NEXT = 103


def _students() -> Iterator[dict[str, Any]]:
    chance = random.Random(NUMBER)  # noqa: S311  # no secret
    first_names, last_names = _FIRST_NAMES.split(), _LAST_NAMES.split()
    yield _ASHA | {"marks": {subject: _mark(share) for subject, share in _ASHAS_MARKS.items()}}
    for number in range(_NEXT, _NEXT + NUMBER - 1):
        branch = list(_BRANCHES)[number % len(_BRANCHES)]
        name = f"{chance.choice(first_names)} {chance.choice(last_names)}"
        yield {"roll_no": f"S{number}", "name": name, "branch": branch, "marks": _marks(chance, branch)}


def _marks(chance: random.Random, branch: str) -> dict[str, float]:
    """Return the marks of one student, who is better or worse in all subjects, and has no mark in some."""
    talent = chance.gauss(0, 0.12)
    shares = {
        subject: mean + _BRANCHES[branch].get(subject, 0) + talent + chance.gauss(0, 0.08)
        for subject, mean in _SUBJECTS.items()
    }
    return {subject: _mark(share) for subject, share in shares.items() if chance.random() < 0.93}


def _mark(share: float) -> float:
    """Return a share of the highest mark as a mark in halves."""
    most = MarkSettings.current().max
    mark = min(most, max(0, round(share * most * 2) / 2))
    return int(mark) if mark == int(mark) else mark


async def _fill() -> str:
    store = StudentBulkStore(by=Role.TEACHER, source="demo")
    # Validated, as `created` requires.
    contents = [StudentCreate.model_validate(student).model_dump() for student in _students()]
    if not all(await store.write_all([store.created(content) for content in contents])):
        raise CommandError("Another command stored students at the same time.")
    return f"{len(contents)} students in {len(_BRANCHES)} branches: GET /students lists them."


demo = Demo(documents=(StudentDocument,), fill=_fill)
