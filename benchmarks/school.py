"""A generated school of any size, with realistic data that is the same in each run."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from math import gcd
from typing import Any

from bson import ObjectId

from modules.students.identities import identity_key
from modules.students.models import SUBJECT_SEPARATOR, Action
from modules.students.search_terms import terms_of
from modules.students.sort_keys import last_name_key, name_key, natural_key

Row = dict[str, Any]

BRANCHES = (
    "Biology",
    "Chemistry",
    "Civil Engineering",
    "Computer Science",
    "Economics",
    "Electronics",
    "Geography",
    "History",
    "Mathematics",
    "Physics",
)

# The percentage of students with a mark in each subject: nearly all in English, very few in Latin.
SUBJECTS = {"math": 90, "english": 99.9, "physics": 90, "chemistry": 90, "art": 90, "latin": 2}

# The last name of exactly `RARE_STUDENTS` students.
RARE_NAME = "Quillfeather"
RARE_STUDENTS = 50

_FIRST_BEGINNINGS = (
    "Am An Ar As Be Cal Chan Da Dé El Em Fa Gi Ha In Ja Jo Ka Lé Li Ma Mi Na No Ol Pri Ra Ro Sa Sø Ta Zo"
)
_FIRST_ENDS = "a ah an ana ar el en ia ika in ina is je na o ra shi ya ías ë"
_LAST_BEGINNINGS = "Al Ban Ber Car Cha Das Der Fer Gar Gu Her Ivan Jo Kum Lam Mar Men Mül Na Ol Pat Ra San Sha Ver Wil"
_LAST_ENDS = "a ado ak al ar as berg don dez el er ez i ic in ler man ov son ström ton va"

_Named = tuple[str, list[str]]
"""A name and its search terms."""

_FIRST_DAY = datetime(2020, 9, 1, 8, tzinfo=UTC)


def _names(beginnings: str, ends: str) -> list[_Named]:
    names = ("".join(parts) for parts in product(beginnings.split(), ends.split()))
    return [(name, terms_of(name)) for name in dict.fromkeys(names)]


def _marks(chance: random.Random) -> dict[str, int | float]:
    marks: dict[str, int | float] = {}
    for subject, percent in SUBJECTS.items():
        if chance.random() * 100 < percent:
            mark = min(100, max(0, round(chance.gauss(65, 18))))
            marks[subject] = mark if chance.random() < 0.9 or mark == 100 else mark + 0.5
    return marks


def roll_no(number: int) -> str:
    """Return the roll number of a student."""
    return f"S{number:07}"


def created_at(turn: int) -> datetime:
    """Return the creation time of a student: one is created each second."""
    return _FIRST_DAY + timedelta(seconds=turn)


def students(size: int) -> Iterator[Row]:
    """Yield `size` students as stored in MongoDB. Roll numbers, names and branches are independent of the insertion
    order, so that no list has an advantage."""
    chance = random.Random(size)  # noqa: S311  # no secret; the same students in each run
    first, last = _names(_FIRST_BEGINNINGS, _FIRST_ENDS), _names(_LAST_BEGINNINGS, _LAST_ENDS)
    rare = (RARE_NAME, terms_of(RARE_NAME))
    step = next(prime for prime in (7919, 104_729, 1_299_709) if gcd(prime, size) == 1)
    for turn in range(size):
        given, family = chance.choice(first), chance.choice(last)
        if turn % max(1, size // RARE_STUDENTS) == 0:
            family = rare
        name = (f"{given[0]} {family[0]}", [*given[1], *family[1]])
        number = roll_no(turn * step % size)
        yield _student(number, name, chance.choice(BRANCHES), _marks(chance), created_at(turn))


def _student(number: str, name: _Named, branch: str, marks: dict[str, int | float], at: datetime) -> Row:
    total = sum(round(mark * 100) for mark in marks.values())
    return {
        "roll_no": number,
        "name": name[0],
        "branch": branch,
        "marks": marks,
        "version": 1,
        "action": Action.CREATED.value,
        "updated_by": "teacher",
        "created_at": at,
        "updated_at": at,
        "deleted_at": None,
        "source": None,
        "stamp": ObjectId(),
        "erasing": None,
        "former": None,
        "merge": None,
        "absorbed": [],
        "keys": {
            "live": True,
            "terms": list(dict.fromkeys([*name[1], number.lower()])),
            "subjects": SUBJECT_SEPARATOR.join(sorted(marks)),
            "total": total if marks else None,
            "average": total / len(marks) if marks else None,
            "identities": [identity_key(number)],
            "former": [],
            "natural": natural_key(number),
            "name": name_key(name[0]),
            "last_name": last_name_key(name[0]),
        },
    }
