"""Lists compared with a plain model in memory, for random students, queries and page sizes; and search terms."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.students.search_terms import prefixes_of, terms_of
from tests.conftest import AppClient, sign_in
from tests.students.listing import empty, pages, roll_numbers, store

Row = dict[str, Any]

# The examples are the same in every run. All examples of a test share one database, and each empties it first.
deterministic = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Each name with its words as a search sees them, written by hand rather than by the code under test.
NAMES = {
    "Asha Rao": ["asha", "rao"],
    "asha": ["asha"],
    "Ášha O'Neil": ["asha", "o", "neil"],
    "Groß": ["gross"],
    "Łuk-Rao": ["luk", "rao"],
    "अमित": ["अमित"],
}
# The names in the order of the Unicode collation, by the whole name and by its last word; written by hand, too.
BY_NAME = ["asha", "Ášha O'Neil", "Asha Rao", "Groß", "Łuk-Rao", "अमित"]
BY_LAST_NAME = ["asha", "Groß", "Łuk-Rao", "Ášha O'Neil", "Asha Rao", "अमित"]
SEARCHES = {"as": ["as"], "RÁO": ["rao"], "neil o": ["neil", "o"], "gros": ["gros"], "r1": ["r1"], "अमि": ["अमि"]}
ROLL_NUMBERS = [f"{'rRs'[n % 3]}{n * 7 % 31:02}" for n in range(30)]
BRANCHES = ["Physics", "physics", "Ärzte"]
SUBJECTS = ["math", "Art / Design", "1"]
MARKS = [0, 0.5, 50, 50.0, 99.99, 100]
TIMES = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "gte": lambda mark, bound: mark >= bound,
    "gt": lambda mark, bound: mark > bound,
    "lte": lambda mark, bound: mark <= bound,
    "lt": lambda mark, bound: mark < bound,
}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, bound: value == bound,
    "!=": lambda value, bound: value != bound,
    ">=": BOUNDS["gte"],
    ">": BOUNDS["gt"],
    "<=": BOUNDS["lte"],
    "<": BOUNDS["lt"],
}
FIELDS = ["roll_no", "natural", "name", "last_name", "branch", "created_at", "updated_at"]
SORTABLE = [*FIELDS, *[f"marks.{subject}" for subject in SUBJECTS]]

marks = st.fixed_dictionaries({subject: st.sampled_from([None, None, *MARKS]) for subject in SUBJECTS}).map(
    lambda drawn: {subject: mark for subject, mark in drawn.items() if mark is not None}
)

students = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(list(NAMES)),
            "branch": st.sampled_from(BRANCHES),
            "marks": marks,
            "created_at": st.sampled_from(TIMES),
            "updated_at": st.sampled_from(TIMES),
            "deleted_at": st.sampled_from([None, None, None, TIMES[2]]),
        }
    ),
    min_size=12,
    max_size=30,
)


@dataclass(frozen=True)
class Comparison:
    """One condition of a `where`, as text and as a test of a student."""

    field: str
    operator: str
    value: str | float

    def text(self) -> str:
        return f"{self.field}{self.operator}{self.value}"

    def matches(self, student: Row) -> bool:
        if self.field == "missing":
            return self.value not in student["marks"]
        if not self.field.startswith("marks."):
            return COMPARISONS[self.operator](student[self.field], self.value)
        mark = student["marks"].get(self.field.removeprefix("marks."))
        return mark is not None and COMPARISONS[self.operator](mark, self.value)


@dataclass
class Query:
    """The parameters of a request for a list."""

    sort: list[tuple[str, bool]] = field(default_factory=list)
    branch: list[str] = field(default_factory=list)
    bounds: dict[tuple[str, str], float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    updated_since: datetime | None = None
    q: str | None = None
    where: list[list[Comparison]] = field(default_factory=list)
    roll_no: list[str] = field(default_factory=list)

    def parameters(self) -> Row:
        given: Row = {f"marks.{subject}.{name}": bound for (subject, name), bound in self.bounds.items()}
        given |= {"branch": self.branch, "missing": self.missing, "roll_no": self.roll_no}
        given["where"] = ["|".join(one.text() for one in alternatives) for alternatives in self.where]
        if self.sort:
            given["sort"] = ",".join(("-" if descending else "") + path for path, descending in self.sort)
        if self.updated_since:
            given["updated_since"] = self.updated_since.isoformat()
        if self.q:
            given["q"] = self.q
        return given

    def matches(self, student: Row) -> bool:
        marks = student["marks"]
        words = [*NAMES[student["name"]], student["roll_no"].lower()]
        return (
            student["deleted_at"] is None
            and (not self.branch or student["branch"] in self.branch)
            and all(s in marks and BOUNDS[name](marks[s], bound) for (s, name), bound in self.bounds.items())
            and not any(subject in marks for subject in self.missing)
            and (self.updated_since is None or student["updated_at"] >= self.updated_since)
            and all(any(one.matches(student) for one in alternatives) for alternatives in self.where)
            and (not self.roll_no or student["roll_no"] in self.roll_no)
            and (self.q is None or all(any(w.startswith(p) for w in words) for p in SEARCHES[self.q]))
        )

    def evaluate(self, population: list[Row]) -> list[Row]:
        """Return the whole list that the model expects."""
        found = sorted((student for student in population if self.matches(student)), key=lambda one: one["roll_no"])
        for path, descending in reversed(self.sort):
            found.sort(key=lambda student, path=path: _sort_value(student, path), reverse=descending)  # type: ignore[misc]
        return found


def _sort_value(student: Row, path: str) -> Any:
    match path:
        case "natural":
            return student["roll_no"][0].lower(), int(student["roll_no"][1:])
        case "name":
            return BY_NAME.index(student["name"])
        case "last_name":
            return BY_LAST_NAME.index(student["name"])
        case _ if path.startswith("marks."):
            return student["marks"].get(path.removeprefix("marks."), -1)
        case _:
            return student[path]


def mostly_empty(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    """Draw mostly empty lists, so that most filters let most students pass."""
    return st.one_of(*[st.just([])] * 5, st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True))


equalities = st.sampled_from(["=", "!="])
comparisons_of_marks = st.builds(
    Comparison,
    st.sampled_from([f"marks.{subject}" for subject in SUBJECTS]),
    st.sampled_from(list(COMPARISONS)),
    st.sampled_from(MARKS),
)
comparisons = st.one_of(
    comparisons_of_marks,
    comparisons_of_marks,
    st.builds(Comparison, st.just("branch"), equalities, st.sampled_from(BRANCHES)),
    st.builds(Comparison, st.just("name"), equalities, st.sampled_from(list(NAMES))),
    st.builds(Comparison, st.just("missing"), st.just("="), st.sampled_from([*SUBJECTS, "chess"])),
)
wheres = st.lists(st.lists(comparisons, min_size=1, max_size=3), min_size=1, max_size=3)

queries = st.builds(
    Query,
    sort=st.lists(
        st.tuples(st.sampled_from([*SORTABLE, "marks.math", "marks.1"]), st.booleans()),
        max_size=2,
        min_size=1,
        unique_by=lambda key: key[0],
    ),
    branch=mostly_empty(BRANCHES),
    bounds=st.one_of(
        *[st.just({})] * 5,
        st.dictionaries(
            st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(list(BOUNDS))), st.sampled_from(MARKS), max_size=2
        ),
    ),
    missing=mostly_empty([*SUBJECTS, "chess"]),
    updated_since=st.sampled_from([*[None] * 9, *TIMES]),
    q=st.sampled_from([*[None] * 20, *SEARCHES]),
    where=st.one_of(st.just([]), wheres, wheres),
    roll_no=st.one_of(*[st.just([])] * 5, st.just(ROLL_NUMBERS[::2])),
)


@pytest.fixture
def client(open_client: AppClient) -> TestClient:
    return sign_in(open_client())


def populate(client: TestClient, drawn: list[Row]) -> list[Row]:
    """Replace the students in the database by these. Return them with their roll numbers."""
    population = [{**student, "roll_no": ROLL_NUMBERS[n]} for n, student in enumerate(drawn)]
    empty(client)
    store(client, population)
    return population


def public_fields(rows: list[Row]) -> list[Row]:
    return [{name: row[name] for name in ("roll_no", "name", "branch", "marks")} for row in rows]


@given(drawn=students, query=queries, limit=st.integers(2, 9))
@settings(deterministic, max_examples=26)
def test_all_pages_together_are_the_list_of_the_model(
    client: TestClient, drawn: list[Row], query: Query, limit: int
) -> None:
    expected = query.evaluate(populate(client, drawn))
    parameters = {**query.parameters(), "limit": limit, "count": "true"}

    forward = list(pages(client, "/students?" + urlencode(parameters, doseq=True)))
    backward = list(pages(client, str(forward[-1].url), "prev"))

    assert public_fields([row for page in forward for row in page.json()]) == public_fields(expected)
    assert roll_numbers(*reversed(backward)) == [row["roll_no"] for row in expected]
    assert {page.headers["total-count"] for page in forward} == {str(len(expected))}
    assert all(len(page.json()) == limit for page in forward[:-1])


texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "M", "P", "Zs")), max_size=12)


@given(text=texts)
@deterministic
def test_each_term_is_a_term_of_itself(text: str) -> None:
    terms = terms_of(text)

    assert [terms_of(term)[0] for term in terms] == terms
    assert len(set(terms)) == len(terms)
    assert all(terms)


@given(text=texts, accent=st.sampled_from("\u0300\u0301\u0302\u0303\u0308\u030a\u0327\u0328"))
@deterministic
def test_terms_ignore_case_accents_and_unicode_composition(text: str, accent: str) -> None:
    terms = terms_of(text)

    assert terms_of(text.upper()) == terms
    assert terms_of(text.lower()) == terms
    assert terms_of("".join(character + accent for character in text)) == terms
    for form in ("NFC", "NFD"):
        assert terms_of(unicodedata.normalize(form, text)) == terms


def prefixes(text: str) -> Iterator[str]:
    return (text[:end] for end in range(len(text) + 1))


@given(text=texts)
@deterministic
def test_each_word_of_a_prefix_is_a_prefix_of_a_term(text: str) -> None:
    terms = terms_of(text)

    for prefix in prefixes(text):
        for alternatives in prefixes_of(prefix):
            assert any(term.startswith(tuple(alternatives)) for term in terms), (prefix, alternatives)


@given(name=texts.filter(terms_of), data=st.data())
@settings(deterministic, max_examples=16)
def test_a_student_is_found_by_any_prefix_of_any_term(client: TestClient, name: str, data: st.DataObject) -> None:
    others = [{"roll_no": "0", "name": "-", "branch": "b", "marks": {}, "deleted_at": TIMES[0]}]
    empty(client)
    store(client, [{"roll_no": "-", "name": name, "branch": "b", "marks": {}}, *others])
    term = data.draw(st.sampled_from(terms_of(name)))
    prefix = data.draw(st.sampled_from([one for one in prefixes(term) if terms_of(one)]))

    answer = client.get("/students", params={"q": prefix})

    assert answer.status_code == 200
    assert roll_numbers(answer) == ["-"]
    assert roll_numbers(client.get("/students", params={"q": prefix + "xq"})) == []
