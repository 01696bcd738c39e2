"""The requests of `benchmarks.lists`: pages of lists, filtered lists, single students and changes."""

import random
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from benchmarks.filled import School
from benchmarks.school import RARE_NAME, RARE_STUDENTS, created_at, roll_no
from core.api import Listing, encode_cursor
from core.database import Page, SortKey, reversed_order, sort_of
from modules.students.changes.service import _SCOPE as CHANGES
from modules.students.query import StudentQuery

LIMIT = 100
FEWEST = 100 * LIMIT

SORTS = ("roll_no", "natural", "name", "-branch", "marks.math", "-marks.math,name")
SELECTIONS = {
    "q, 50 hits": {"q": RARE_NAME},
    "q, a sixth are hits": {"q": "a"},
    "q, two words": {"q": "anar al"},
    "q, no hit": {"q": "xyz"},
    "math ≥ 95": {"marks.math.gte": "95"},
    "math ≥ 95, sort=name": {"marks.math.gte": "95", "sort": "name"},
    "math ≥ 50, one branch": {"marks.math.gte": "50", "branch": "Physics"},
    "math < 10": {"marks.math.lt": "10"},
    "one branch, sort=name": {"branch": "Physics", "sort": "name"},
    "missing, few": {"missing": "english"},
    "missing, a tenth": {"missing": "math"},
    "missing, nearly all": {"missing": "latin"},
    "count, all": {"count": "true"},
    "count, one branch": {"count": "true", "branch": "Physics"},
    "count, math ≥ 50, one branch": {"count": "true", "marks.math.gte": "50", "branch": "Physics"},
    "count, q, 50 hits": {"count": "true", "q": RARE_NAME},
    "count, q, a sixth are hits": {"count": "true", "q": "a"},
}

Query = dict[str, str]
Addresses = dict[str, list[str]]


def reads(school: School, requests: int) -> Addresses:
    """Return the URL paths to read, by scenario: one for each request, or a single one for all."""
    found = {"GET one": some_students(school, requests)}
    for sort in SORTS:
        found |= {f"sort={sort}, {page}": [address] for page, address in pages(school, sort).items()}
    recent = {"updated_since": created_at(school.size - RARE_STUDENTS).isoformat()}
    for name, query in (SELECTIONS | {"updated_since, 50 hits": recent}).items():
        found[name] = [list_address(query)]
    middle = encode_cursor(CHANGES, str(school.size // 2))
    return found | {
        "changes, the first 100": [f"/changes?limit={LIMIT}"],
        "changes, 100 from the middle": [f"/changes?limit={LIMIT}&since={middle}"],
    }


def writes(school: School, requests: int) -> Addresses:
    """Return the URL paths to write to, in the same form."""
    return {"POST one": ["/students"], "PATCH one": some_students(school, requests)}


def some_students(school: School, number: int) -> list[str]:
    """Return the URL paths of `number` random students."""
    chance = random.Random(1)  # noqa: S311  # no secret; the same students in each run
    return [f"/students/{roll_no(chance.randrange(school.size))}" for _ in range(number)]


def pages(school: School, sort: str) -> dict[str, str]:
    """Return the paths of the first page, of the hundredth if there is one, and of the last full page."""
    query = {"sort": sort}
    found = {"page 1": list_address(query)}
    order = StudentQuery.model_validate(query).order
    if school.size >= FEWEST:
        found["page 100"] = page_behind(query, nth(school, order, 99 * LIMIT - 1))
    return found | {"last page": page_behind(query, nth(school, reversed_order(order), LIMIT))}


def nth(school: School, order: tuple[SortKey, ...], skipped: int) -> dict[str, Any]:
    """Return the student after `skipped` others. This scans and sorts the collection, so that it needs no index."""
    fields = {key.shown: 1 for key in order}
    found = school.database.students.find({"keys.live": True}, fields)
    (student,) = found.hint([("$natural", 1)]).sort(sort_of(order)).skip(skipped).limit(1)
    return student


def page_behind(query: Query, student: dict[str, Any]) -> str:
    """Return the path of the page after this student, built as the service builds its links."""
    address = list_address(query)
    asked = StudentQuery.model_validate(query | {"limit": LIMIT})
    path, _, text = address.partition("?")
    request = Request(
        {"type": "http", "path": path, "query_string": text.encode(), "headers": [], "server": ("localhost", 80)}
    )
    response = Response()
    page = Page([student], has_previous=False, has_next=True)
    Listing(f"students {asked.name}", asked.order).link(page, request, response)
    return response.headers["Link"].partition(">")[0].removeprefix("<")


def list_address(query: Query) -> str:
    """Return the path of a list's first page."""
    return f"/students?{urlencode(query | {'limit': str(LIMIT)})}"
