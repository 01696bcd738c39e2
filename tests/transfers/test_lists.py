"""Tests of the grammar of list parameters: what is accepted is exactly what the document describes."""

import random
import re
from time import perf_counter

import pytest
from pydantic import TypeAdapter, ValidationError

from modules.transfers.columns.lists import LIST_PATTERN, items_of, pairs_of
from modules.transfers.imports.query import ImportQuery

PARAMETERS = ("columns", "ignore", "absent", "scale")
PATTERNS = {
    name: schema["items"]["pattern"]
    for name, schema in TypeAdapter(ImportQuery).json_schema()["properties"].items()
    if name in PARAMETERS
}

# The characters and words that the grammar knows, and some others.
PARTS = [*'",:#.$*0129', "a", "Zoë", " ", "\t", "\n", ":roll_no", "ignore", ":marks", ":marks.", "math", ":20", ":0.5"]


def accepted(parameter: str, text: str) -> bool:
    try:
        ImportQuery.model_validate({parameter: [text]})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        (" ", []),
        ("Total", ["Total"]),
        ("Total, Rank ,S.No", ["Total", "Rank", "S.No"]),
        (",Total,,", ["Total"]),
        ('"Name, first"', ["Name, first"]),
        (' "Name, first" , x', ["Name, first", "x"]),
        ('"say ""hello"""', ['say "hello"']),
        ('5" disk', ['5" disk']),
        ('""', [""]),
        ("two\nlines", ["two\nlines"]),
        ('"Name, first":marks', ["Name, first:marks"]),
        ('"a:b" : marks', ["a:b: marks"]),
    ],
)
def test_a_list_has_these_items(text: str, items: list[str]) -> None:
    assert list(items_of([text])) == items
    assert re.search(LIST_PATTERN, text)


def test_items_of_several_values_are_joined() -> None:
    assert list(items_of(["a,b", "", "c"])) == ["a", "b", "c"]


@pytest.mark.parametrize("text", ['"', '"a', 'a,"b', '"a"b', '"a":b:c', '"a" "b"', '"a":"b"'])
def test_other_quotation_marks_are_refused(text: str) -> None:
    assert not any(accepted(parameter, text) for parameter in PARAMETERS)
    assert not any(re.search(pattern, text) for pattern in PATTERNS.values())


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ID number:roll_no, Essay : marks.english", [("ID number", "roll_no"), ("Essay", "marks.english")]),
        ("a:b:marks", [("a:b", "marks")]),
        ("::marks", [(":", "marks")]),
        ('"Name, first":marks', [("Name, first", "marks")]),
        ('"Name, first:marks"', [("Name, first", "marks")]),
        ('"a "" b":marks. Zoë ,', [('a " b', "marks. Zoë")]),
    ],
)
def test_a_pair_is_split_at_its_last_colon(text: str, pairs: list[tuple[str, str]]) -> None:
    assert list(pairs_of([text])) == pairs
    assert accepted("columns", text)


@pytest.mark.parametrize(
    "text",
    ["a", "a:", ":marks", '"":marks', '" ":marks', '": marks"', "a:Name", "a:marks.", "a:marks.a.b", "a:marks.$a",
     '"a:marks.b,c"', '"a:marks.b""c"', "a:marks.b\tc", '""'],
)  # fmt: skip
def test_other_columns_are_refused(text: str) -> None:
    assert not accepted("columns", text)
    assert not re.search(PATTERNS["columns"], text)


@pytest.mark.parametrize("number", ["20", "12.5", "0.5", "0.50", "1000000", "0.000000001"])
def test_a_scale_is_a_decimal_number(number: str) -> None:
    assert accepted("scale", f"essay:{number},*: {number} ")


@pytest.mark.parametrize(
    "number", ["0", "0.0", "-1", "+1", "1e3", "NaN", "Infinity", "020", ".5", "5.", "1" * 8, "\u0662"]
)
def test_other_scales_are_refused(number: str) -> None:
    assert not accepted("scale", f"essay:{number}")
    assert not re.search(PATTERNS["scale"], f"essay:{number}")


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_code_and_document_accept_the_same(parameter: str) -> None:
    choice = random.Random(parameter)
    texts = {"".join(choice.choices(PARTS, k=choice.randint(0, 9))) for _ in range(20_000)}

    found = {text: accepted(parameter, text) for text in texts}

    assert [text for text in texts if found[text] != bool(re.search(PATTERNS[parameter], text))] == []
    assert sum(found.values()) > 50


@pytest.mark.parametrize(
    "text", ['"' * 1999, '"a,' * 666, "a:" * 1000, " " * 1999 + '"', '""' * 999 + '"', "a:marks.b" + " " * 1990 + "$"]
)
def test_a_long_value_is_read_in_no_time(text: str) -> None:
    for parameter in ("columns", "ignore"):
        started = perf_counter()
        accepted(parameter, text)
        assert perf_counter() - started < 0.5
