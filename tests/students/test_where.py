"""The parameter `where`: its grammar, errors that point at the mistake, and the older parameters that mean the same."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.api import PrintableLine, sentence_of
from modules.students.fields import Subject
from modules.students.listing.conditions import Condition
from modules.students.listing.filters import Selection
from modules.students.listing.where import MAX_ALTERNATIVES, MAX_LENGTH, MAX_WHERE, PATTERN
from tests.students.listing import pages, roll_numbers, store

deterministic = settings(deadline=None, derandomize=True, database=None)

STUDENTS: list[dict[str, Any]] = [
    {"roll_no": "S1", "name": "Asha Rao", "branch": "8A", "marks": {"math": 40, "art": 70}},
    {"roll_no": "S2", "name": 'Zoë "Zo" O\'Neil', "branch": "8B", "marks": {"math": 72.5}},
    {"roll_no": "S3", "name": "asha rao", "branch": "8C", "marks": {"art": 30, "Go|Chess": 5, "Run!": 1}},
    {"roll_no": "S4", "name": "Bo <b>", "branch": "8A", "marks": {}},
]


@pytest.fixture
def school(client: TestClient) -> TestClient:
    """Store four students. Return a teacher's client."""
    store(client, STUDENTS)
    return client


def listed(client: TestClient, *where: str) -> list[str]:
    answer = client.get("/students", params={"where": where})
    assert answer.status_code == 200, (where, answer.text)
    return roll_numbers(answer)


def parsed(text: str) -> tuple[Condition, ...]:
    any_of: tuple[Condition, ...]
    [any_of] = Selection.model_validate({"where": [text]}).where
    return any_of


def refusal(text: str) -> tuple[str, str]:
    """Return the code and the message for a `where` that is refused."""
    with pytest.raises(ValidationError) as raised:
        parsed(text)
    [error] = raised.value.errors()
    return error["type"], sentence_of(error)


SELECTIONS: list[tuple[list[str], list[str]]] = [
    (["branch=8A"], ["S1", "S4"]),
    (["branch!=8A"], ["S2", "S3"]),
    (["branch=8a"], []),
    (["branch=8"], []),
    (["branch=8A|branch=8C"], ["S1", "S3", "S4"]),
    (["branch!=8A|branch=8A"], ["S1", "S2", "S3", "S4"]),
    (["branch!=8A", "branch!=8B"], ["S3"]),
    (["name=Asha Rao"], ["S1"]),
    (["name=asha rao"], ["S3"]),
    (["name=Asha"], []),
    (["name!=Asha Rao"], ["S2", "S3", "S4"]),
    (['name="Zoë ""Zo"" O\'Neil"'], ["S2"]),
    (['name="Zoe\u0308 ""Zo"" O\'Neil"'], ["S2"]),  # Unicode composition makes no difference
    (['name="Bo <b>"'], ["S4"]),
    (["marks.math>=40"], ["S1", "S2"]),
    (["marks.math>40"], ["S2"]),
    (["marks.math<=40"], ["S1"]),
    (["marks.math<40"], []),
    (["marks.math=40"], ["S1"]),
    (["marks.math=40.0"], ["S1"]),
    (["marks.math!=40"], ["S2"]),  # a student without a mark meets no comparison of it
    (["marks.math>=-1"], ["S1", "S2"]),
    (["marks.math>=40", "marks.math<72.5"], ["S1"]),
    (["marks.math<50|marks.art<50"], ["S1", "S3"]),
    (['marks."Go|Chess"=5'], ["S3"]),
    (['marks."Run!"!=5', 'marks."Run!">=1'], ["S3"]),
    (["missing=math"], ["S3", "S4"]),
    (["missing=math", "missing=art"], ["S4"]),
    (["missing=math|missing=art"], ["S2", "S3", "S4"]),
    (["missing=art|marks.art<50"], ["S2", "S3", "S4"]),
    (["missing=chess", 'missing="Go|Chess"', "missing=Run!"], ["S1", "S2", "S4"]),
    (["marks.math<50|marks.art<50", "branch=8A|name=Asha Rao", "missing=Go|branch=x"], ["S1"]),
    ([" branch = 8A | marks. math >= 40 "], ["S1", "S2", "S4"]),
]


def test_students_meet_one_alternative_of_each_where(school: TestClient) -> None:
    assert [listed(school, *where) for where, _ in SELECTIONS] == [expected for _, expected in SELECTIONS]


def test_where_is_one_more_filter_beside_all_others(school: TestClient) -> None:
    answer = school.get("/students?where=marks.math<80|missing=math&branch=8A&q=bo&missing=art&count=true")

    assert roll_numbers(answer) == ["S4"]
    assert answer.headers["total-count"] == "1"


# Each `where` beside the parameters that select the same students.
EQUAL = [
    ("where=branch=8A", "branch=8A"),
    ("where=branch=8B|branch=8A", "branch=8A&branch=8B"),
    ("where=marks.math>=40", "marks.math.gte=40"),
    ("where=marks.math>40&where=marks.math<=72.5", "marks.math.lte=72.50&marks.math.gt=40"),
    ("where=marks.%20math%20<%2050", "marks.math.lt=50"),
    ("where=missing=math", "missing=math"),
    ("where=missing=art&where=missing=math", "missing=math&missing=art"),
    ("where=marks.math>=0&branch=8A", "where=branch=8A&marks.math.gte=0"),
]


@pytest.mark.parametrize(("where", "older"), EQUAL)
def test_both_ways_of_writing_a_filter_give_one_list(school: TestClient, where: str, older: str) -> None:
    one, other = (list(pages(school, f"/students?limit=1&count=true&sort=-name&{query}")) for query in (where, older))

    assert [page.json() for page in one] == [page.json() for page in other]
    assert [page.headers["total-count"] for page in one] == [page.headers["total-count"] for page in other]


def test_a_cursor_belongs_to_the_conditions(school: TestClient) -> None:
    first = school.get("/students?limit=1&where=branch=8A")

    for query in ("where=branch!=8A", "where=branch=8A|name=x", "where=name=8A", ""):
        link = re.sub(r"where=[^&]*", query, first.links["next"]["url"])
        assert school.get(link).json()["errors"][0]["parameter"] == "cursor", link


TO_QUOTE = 'Put a value with = < > | or " in double quotes.'
FIELDS = "Write a field: branch, name, missing or marks.SUBJECT."
END = f"Write | and a condition, or nothing more. {TO_QUOTE}"
NUMBER = "This must be a single number, such as 40 or 72.5."
REFUSED = [
    ("", "field", 1, FIELDS),
    ("class=8A", "field", 1, FIELDS),
    ("Branch=8A", "field", 1, FIELDS),
    ("marks>=40", "field", 1, FIELDS),
    ("keys.live=1", "field", 1, FIELDS),
    ("$where=1", "field", 1, FIELDS),
    ("branch=8A|", "field", 11, FIELDS),
    ("branch=8A| |branch=8B", "field", 12, FIELDS),
    ("branch", "operator", 7, "Write an operator (=, !=)."),
    ("branch >= 8A", "operator", 8, "Write an operator (=, !=)."),
    ("branch name=8A", "operator", 8, "Write an operator (=, !=)."),
    ("missing!=math", "operator", 8, "Write an operator (=)."),
    ("marks.math", "operator", 11, "Write an operator (=, !=, <, <=, >, >=)."),
    ("marks.math!4", "operator", 11, "Write an operator (=, !=, <, <=, >, >=)."),
    ("branch=", "value", 8, f"Write a value. {TO_QUOTE}"),
    ("branch==8A", "value", 8, f"Write a value. {TO_QUOTE}"),
    ("marks.math<>4", "value", 12, f"Write a value. {TO_QUOTE}"),
    ("marks.=4", "value", 7, "Write a subject."),
    ("marks. =4", "value", 8, "Write a subject."),
    ("marks.a.b=4", "value", 7, "A subject cannot contain a dot; write '-' or a space instead."),
    ("missing=$a", "value", 9, "A subject cannot begin with '$'."),
    ('branch=""', "value", 8, "This must not be empty."),
    ("name=a\tb", "value", 6, "This must be one line of printable characters; remove U+0009 (a control character)."),
    (f"name={'x' * 201}", "value", 6, "This must have at most 200 characters."),
    ("marks.math>=forty", "value", 13, NUMBER),
    ("marks.math>=1e9", "value", 13, NUMBER),
    ("marks.math>=4,5", "value", 13, NUMBER),
    ("marks.math>=40 or marks.art>=40", "value", 13, NUMBER),
    ("branch=8A and name=Bo", "end", 19, END),
    ("name=Bo <b>", "end", 9, END),
    ('branch=8A"', "end", 10, END),
    ('branch="8A" x', "end", 13, END),
    ('branch="8A', "quotes", 8, 'End these quotes. Write a double quote in a value twice: "".'),
    ('branch="8A""', "quotes", 8, 'End these quotes. Write a double quote in a value twice: "".'),
    ("|".join(["name=a"] * (MAX_ALTERNATIVES + 1)), "conditions", 71, "Join at most 10 conditions by |."),
]


@pytest.mark.parametrize(("text", "code", "character", "wanted"), REFUSED)
def test_an_error_says_where_it_is_and_what_is_allowed(text: str, code: str, character: int, wanted: str) -> None:
    assert refusal(text) == (f"where_{code}", f"Character {character}: {wanted}")


def test_the_length_and_the_number_of_conditions_are_limited(school: TestClient) -> None:
    longest = '"' + "x" * 200 + '"'
    assert refusal("x" * (MAX_LENGTH + 1)) == ("string_too_long", "This must have at most 1000 characters.")
    assert listed(school, *["|".join([f"name={longest}"] * 4 + ["marks.math>=0"])] * MAX_WHERE) == ["S1", "S2"]

    refused = school.get("/students", params={"where": ["branch=8A"] * (MAX_WHERE + 1)})
    assert refused.json()["errors"] == [
        {"code": "too_long", "detail": "This must have at most 10 entries.", "parameter": "where"}
    ]


def test_every_wrong_where_is_reported_with_its_number(school: TestClient) -> None:
    refused = school.get("/students", params={"where": ["nam=Bo", "name=Bo", "branch", "marks.math>=x"]})

    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-request")
    assert refused.json()["errors"] == [
        {"code": "where_field", "detail": f"Character 1: {FIELDS}", "parameter": "where"},
        {"code": "where_operator", "detail": "Value 3: Character 7: Write an operator (=, !=).", "parameter": "where"},
        {"code": "where_value", "detail": f"Value 4: Character 13: {NUMBER}", "parameter": "where"},
    ]


def is_accepted(text: str) -> bool:
    try:
        parsed(text)
    except ValidationError:
        return False
    return True


@given(text=st.from_regex(re.compile(PATTERN, re.ASCII), alphabet=st.characters(codec="ascii")))
@settings(deterministic, max_examples=100)
def test_what_the_documented_pattern_allows_is_accepted(text: str) -> None:
    assert is_accepted(text.removesuffix("\n")) or len(text) > MAX_LENGTH


FRAGMENTS = ["branch", "name", "missing", "marks.", "math", "a b", ".", "$", "=", "!=", "!", "<", ">=", ">", "|", '"']
FRAGMENTS += ['""', " ", "4", "-", "0.5", "é", "8A", "\t", "\x00", 'branch="', '"|name=x', "marks.a>=4", "missing=a"]


@given(text=st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join))
@example('marks. "a""b" ! = 4')
@example('missing="a!"')
@example('missing=a!|marks."a!"=4')
@settings(deterministic, max_examples=600)
def test_a_text_has_conditions_or_a_mistake_that_is_pointed_at(text: str) -> None:
    try:
        found = parsed(text)
    except ValidationError:
        code, message = refusal(text)
        place = re.match(r"Character ([0-9]+): .+[.]$", message)
        assert place
        assert code.startswith("where_")
        assert 1 <= int(place[1]) <= len(text) + 1
        assert not re.search(PATTERN, text)
    else:
        assert 1 <= len(found) <= text.count("|") + 1
        assert re.search(PATTERN, text)


def is_valid(kind: Any, text: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)


@given(name=texts.filter(lambda text: is_valid(PrintableLine, text)))
@deterministic
def test_every_text_can_be_written_in_quotes(name: str) -> None:
    stored = TypeAdapter(PrintableLine).validate_python(name)

    assert parsed(f"name={quoted(name)} | branch!={quoted(name)}") == (
        Condition("name", "=", stored),
        Condition("branch", "!=", stored),
    )


@given(subject=texts.filter(lambda text: is_valid(Subject, text)))
@deterministic
def test_every_subject_can_be_written_in_quotes(subject: str) -> None:
    stored = TypeAdapter(Subject).validate_python(subject)

    assert parsed(f"marks.{quoted(subject)}<4.25|missing={quoted(subject)}") == (
        Condition(f"marks.{stored}", "<", 4.25),
        Condition("missing", "=", stored),
    )
