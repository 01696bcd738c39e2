"""The values of cells: marks as people and spreadsheets write them, and roll numbers that need mending."""

import re
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from modules.students import RollNo
from modules.transfers.columns.cell_values import (
    ABSENT,
    CODES,
    CellProblem,
    NoMark,
    ValueOptions,
    mend_roll_no,
    read_mark,
    unsheet,
)

ANY = settings(max_examples=300, deadline=None, derandomize=True, database=None)

PLAIN = ValueOptions()
ROUNDED = ValueOptions(round_decimals=True)
OF_20 = ValueOptions(scales={"essay": Decimal(20)})


def read(text: str, options: ValueOptions = PLAIN, highest: float = 100) -> int | float | str | NoMark | None:
    """Return what the cell of an essay is read as, or the code of its problem."""
    value = read_mark(text, "essay", options, highest)
    return value.code if isinstance(value, CellProblem) else value


def detail(text: str, options: ValueOptions = PLAIN) -> str:
    problem = read_mark(text, "essay", options, 100)
    assert isinstance(problem, CellProblem)
    return problem.detail


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("0", 0), ("-0", 0), ("100", 100), ("085", 85), ("+85", 85), ("85.", 85), ("85.00", 85), (".5", 0.5),
        ("72.25", 72.25), ("72.500", 72.5), (" 85 ", 85), ("\u00a085\u202f", 85), ('="085"', 85),
        ("\u096d\u0968", 72), ("\u0667\u0662\u066b\u0665", 72.5), ("\uff18\uff15\uff0e\uff15", 85.5),
    ],
)  # fmt: skip
def test_a_number_is_read_as_it_is_meant(text: str, mark: float) -> None:
    value = read(text)

    assert value == mark
    assert isinstance(value, int) == (mark == int(mark))


@pytest.mark.parametrize(
    ("text", "unknown", "comma", "point"),
    [
        ("72,5", 72.5, 72.5, "mark_separator"),
        ("72,25", 72.25, 72.25, "mark_separator"),
        ("0,500", 0.5, 0.5, "mark_separator"),
        ("1,000", "mark_separator", 1, "mark_separator"),
        ("1.000", 1, "mark_separator", 1),
        ("1.0000", 1, 1, 1),
        (",5", "mark_separator", 0.5, "mark_separator"),
        ("72,", "mark_separator", 72, "mark_separator"),
        ("1,234.5", *["mark_separator"] * 3),
        ("1.234,5", *["mark_separator"] * 3),
        ("1,000,000", *["mark_separator"] * 3),
        ("1'000", *["mark_separator"] * 3),
        ("1,500/20", "mark_separator", "mark_fraction", "mark_separator"),
    ],
)
def test_a_comma_separates_decimals_where_it_can_mean_nothing_else(
    text: str, unknown: object, comma: object, point: object
) -> None:
    read_as = [read(text, ValueOptions(decimal_comma=says), 10_000) for says in (None, True, False)]

    assert read_as == [unknown, comma, point]


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u2009", "\u202f"])
def test_a_space_may_separate_thousands_but_not_two_numbers(space: str) -> None:
    assert read(f"1{space}250{space}000.5", highest=2_000_000) == 1_250_000.5
    assert {read(f"85{space}{more}", highest=100_000) for more in ("9", "90", "9000")} == {"mark_type"}


@pytest.mark.parametrize(
    "word", ["AB", "ab", "ABS", "A", "NA", "n/a", "Ex", "EX", "-", "--", "\u2013", "\u2014", "\u2212", "Absent"]
)
def test_a_word_for_absent_is_no_mark(word: str) -> None:
    assert read(f" {word}\u00a0") is ABSENT


def test_blank_differs_from_absent_and_the_words_can_be_named() -> None:
    own = ValueOptions(absent=frozenset({" Not  Sat", "0", "#N/A"}))

    assert [read(text) for text in ("", " ", "\u00a0")] == [None] * 3
    assert [read(text, own) for text in ("not sat", "0", "#n/a", "AB", "00")] == [ABSENT] * 3 + ["mark_type", 0]


@pytest.mark.parametrize(
    ("code", "texts"),
    {
        "mark_type": "85_marks B+ B TRUE FALSE 0x1F NaN inf 85* (85) ++85 - . + / % 18/ /20 18/0 \u00bd 8\u00b2 85+5 "
        "8\u096b %85 18/20/25% 85%% 1:2 $85 " + "9" * 41,
        "mark_range": "-1 -0.001 101 100.01 9999999999999999999999",
        "mark_decimals": "72.005 78.33333333333333 0.001 100.00000000000001 78,3333",
        "mark_notation": "1E2 1e2 1.42E+02 -1E2 5,1E-3 1.E5",
        "mark_percent": "85% 85_% 0% 72,5% 120% \uff18\uff15\uff05 85\u066a",
        "mark_fraction": "18/20 054/100 18_/_20 17.5/20 21/20 1/3 \uff11\uff0f\uff12",
        "mark_date": "2026-03-01 01.03.2026 1/3/2021 2026-03-01T00:00:00 2026-03-01_00:00:00 1-Mar 01-Mar-26 3/Oct "
        "Mar-20 3._Mai 18.Okt",
        "narrow_column": "## ########",
        "formula_error": "# #DIV/0! #N/A #REF! #NAME? #WERT! #NV Err:502 =A1+B1 =SUM(A1:B1)/2",
    }.items(),
)
def test_what_is_no_mark_is_refused_with_its_code(code: str, texts: str) -> None:
    no_words = ValueOptions(absent=frozenset())
    cells = [text.replace("_", " ") for text in texts.split()]

    assert {text: read(text, no_words) for text in cells} == dict.fromkeys(cells, code)


def test_a_sentence_names_the_parameter_that_settles_it() -> None:
    assert "decimals=round it becomes 72.01" in detail("72.005")
    assert "scale=essay:20" in detail("18/20")
    assert "scale=essay:12.5" in detail("5/12,5")
    assert "scale=essay:100" in detail("85%")
    assert "'decimal=,'" in detail("1,000")
    assert "absent=" in detail("sick")
    assert "scale=essay:20" in detail("18/25", OF_20)


def test_decimals_are_rounded_half_up_on_request() -> None:
    cells = ("72.005", "72.0049", "78.33333333333333", "0.005", "99.995", "100.00000000000001", "100.005", "-0.001")

    read_as = [read(cell, ROUNDED) for cell in cells]

    assert read_as == [72.01, 72, 78.33, 0.01, 100, 100, "mark_range", "mark_range"]


def test_a_scale_converts_numbers_fractions_and_percentages() -> None:
    cells = ("18", "18/20", "018 / 020", "17,5/20", "90%", "0", "20", "100%")

    assert [read(cell, OF_20) for cell in cells] == [90, 90, 90, 87.5, 90, 0, 100, 100]
    assert [read(cell, OF_20, highest=10) for cell in cells] == [9, 9, 9, 8.75, 9, 0, 10, 10]
    assert read("AB", OF_20) is ABSENT


@pytest.mark.parametrize("cell", ["21", "-1", "18/25", "21/20", "-1/20", "101%", "-1%", "180/200"])
def test_what_does_not_fit_the_scale_is_refused(cell: str) -> None:
    assert read(cell, OF_20) == "mark_scale"


def test_a_converted_mark_is_rounded_only_on_request() -> None:
    of_30 = {"*": Decimal(30)}

    assert read("7", ValueOptions(scales=of_30)) == "mark_decimals"
    assert [read(cell, ValueOptions(scales=of_30, round_decimals=True)) for cell in ("7", "8/30")] == [23.33, 26.67]


def test_a_scale_of_a_subject_comes_before_that_of_all_others() -> None:
    scales = ValueOptions(scales={"math": Decimal(10), "*": Decimal(50)})

    assert [read_mark("5", subject, scales, 100) for subject in ("math", "essay")] == [50, 10]
    assert read_mark("50%", "math", OF_20, 100) == 50, "an import with a scale knows what percentages are"
    assert read_mark("5/10", "math", OF_20, 100) == CellProblem(
        "mark_fraction", CODES["mark_fraction"].format(subject="math", scale=10)
    )


@pytest.mark.parametrize("scale", ["0", "-20", "NaN", "Infinity"])
def test_a_scale_is_above_zero(scale: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ValueOptions(scales={"essay": Decimal(scale)})


@ANY
@given(
    hundredths=st.integers(0, 10_000),
    zeros=st.integers(0, 3),
    sign=st.sampled_from(["", "+"]),
    point=st.sampled_from(".,"),
    zero=st.sampled_from("0\u0660\u0966\uff10"),
)
def test_every_mark_is_read_however_it_is_written(
    hundredths: int, zeros: int, sign: str, point: str, zero: str
) -> None:
    digits = f"{sign}{'0' * zeros}{hundredths // 100}{point}{hundredths % 100:02}"
    text = re.sub(r"\d", lambda digit: chr(ord(zero) + int(digit[0])), digits)

    assert read(text) == hundredths / 100


@ANY
@given(
    text=st.text("0123456789.,%/+-eEA# \u00a0\u0966\u0967=\"'", max_size=9) | st.text(max_size=50),
    comma=st.sampled_from([None, True, False]),
    scale=st.sampled_from([{}, {"*": Decimal(20)}, {"essay": Decimal("12.5")}]),
    is_rounded=st.booleans(),
)
def test_any_text_is_a_valid_mark_or_none_or_a_known_problem(
    text: str, comma: bool | None, scale: dict[str, Decimal], is_rounded: bool
) -> None:
    value = read(text, ValueOptions(decimal_comma=comma, scales=scale, round_decimals=is_rounded))

    if isinstance(value, str):
        assert value in CODES
    elif isinstance(value, int | float):
        assert 0 <= value <= 100
        assert value == round(value, 2)
        assert not re.search(r"[^\W\d]|#", text), "letters are never skipped"


def test_a_very_long_cell_is_refused_in_no_time() -> None:
    begun = time.process_time()

    codes = {read(text * 500_000) for text in ("1", "1,", "1/", "\u0967", "1 ", "e+1", "-")}

    assert codes == {"mark_type"}
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("text", "content"),
    {
        '="0044"': "0044", ' ="0044" ': "0044", '="say ""hi"""': 'say "hi"', '=""': "",
        "0044": "0044", '="A"&"B"': '="A"&"B"', "=44": "=44", '="44': '="44', "142.0": "142.0",
    }.items(),
)  # fmt: skip
def test_a_text_in_a_formula_is_the_text(text: str, content: str) -> None:
    assert unsheet(text) == content


@pytest.mark.parametrize(
    ("text", "roll_no"),
    {
        "2021/CS/12": "2021-CS-12", "CS 14": "CS-14", r"2021\CS\12": "2021-CS-12", "CS\u2009\u202f14": "CS-14",
        " 2021 / CS /\u00a012 ": "2021-CS-12", "CS\u201314": "CS-14", "(12)": "12", "#12*": "12", "A--B C": "A-B-C",
        "20\u200b21/1": "2021-1", "A.1_2/3": "A.1_2-3", "A--B": "A--B", "-12": "-12", '="0044"': "0044",
    }.items(),
)  # fmt: skip
def test_a_roll_number_is_mended(text: str, roll_no: str) -> None:
    assert mend_roll_no(text) == roll_no


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("code_character", "\u091512"),
        ("code_character", "Zo\u00eb/1"),
        ("code_character", "Zoe\u0308/1"),
        ("code_character", "8\u00b2"),
        ("code_dots", "../"),
        ("string_too_short", "///"),
        ("string_too_long", "1/" * 40),
        ("string_too_long", "a" + " " * 2000 + "b"),
    ],
)
def test_a_roll_number_is_not_mended_by_losing_what_tells_it_from_others(code: str, text: str) -> None:
    problem = mend_roll_no(text)

    assert isinstance(problem, CellProblem)
    assert problem.code == code


def is_valid(roll_no: str) -> bool:
    try:
        return TypeAdapter(RollNo).validate_python(roll_no) == roll_no
    except ValidationError:
        return False


@ANY
@given(text=st.text("aZ09._-/\\ \u00a0#\u2013\u00e9\u200b", max_size=12) | st.text(max_size=80))
def test_what_is_mended_is_valid_and_what_is_valid_stays(text: str) -> None:
    mended = mend_roll_no(text)

    assert isinstance(mended, CellProblem) or is_valid(mended)
    assert not is_valid(text) or mended == text
    if isinstance(mended, str):
        kept = [character for character in text if character.isalnum()]
        assert [character for character in mended if character.isalnum()] == kept
