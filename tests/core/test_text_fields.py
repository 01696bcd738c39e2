"""Tests of names, which are one line of visible characters of any script, and of codes, which are usable in URLs."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from core.api.text_fields import Code, PrintableLine, describe_character

line = TypeAdapter[str](PrintableLine)
code_ = TypeAdapter[str](Code)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Asha Rao", "Asha Rao"),
        ("  Asha  Rao\t\n", "Asha  Rao"),
        ("Jose\u0301", "Jos\u00e9"),
        ("Ng\u0169g\u0129 wa Thiong'o", "Ng\u0169g\u0129 wa Thiong'o"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\u738b\u5c0f\u660e", "\u738b\u5c0f\u660e"),
        ("\U0001f600", "\U0001f600"),
        ("$where", "$where"),
        ("<script>", "<script>"),
        ("Ana\u00a0Lim\u3000\u2009X", "Ana Lim  X"),
        ("\u202a\u200e\ufeff Ana\u00a0\u200b\u200f\u2060", "Ana"),
        ("\u200dAna\u200d\u200c", "Ana"),
        (
            "\u0d05\u0d35\u0d28\u0d4d\u200d",
            "\u0d05\u0d35\u0d28\u0d4d\u200d",
        ),  # Malayalam: the joiner is a part of the n
        ("x", "x"),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_visible_line_is_accepted(sent: str, kept: str) -> None:
    assert line.validate_python(sent) == kept


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ("", "string_too_short"),
        (" \t\n\u3000", "string_too_short"),
        ("x" * 201, "string_too_long"),
        ("a\nb", "not_printable"),
        ("a\tb", "not_printable"),
        ("a\0b", "not_printable"),
        ("a\x7fb", "not_printable"),
        ("a\u200bb", "not_printable"),
        ("a\u202eb", "not_printable"),
        ("a\u2028b", "not_printable"),
        ("a\ufeffb", "not_printable"),
        ("a\ue000b", "not_printable"),
        ("a\ud800b", "string_unicode"),
        (1, "string_type"),
        (None, "string_type"),
    ],
)
def test_text_that_is_not_one_visible_line_is_refused(sent: object, kind: str) -> None:
    with pytest.raises(ValidationError) as raised:
        line.validate_python(sent)
    assert [error["type"] for error in raised.value.errors()] == [kind]


def test_the_error_names_an_invisible_character() -> None:
    with pytest.raises(ValidationError, match=r"U\+202E"):
        line.validate_python("a\u202eb")


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("/", "'/'"),
        ("é", "'é'"),
        (" ", "a space"),
        ("\t", "U+0009 (a control character)"),
        ("\u00a0", "U+00A0 (no-break space)"),
        ("\u3000", "U+3000 (ideographic space)"),
    ],
)
def test_a_character_is_named_so_that_it_can_be_found(character: str, expected: str) -> None:
    assert describe_character(character) == expected


@pytest.mark.parametrize("code", ["A", "a.b", "..a", "-", "_", "0", "2E11", "x" * 64, " padded "])
def test_a_valid_code_is_accepted(code: str) -> None:
    assert code_.validate_python(code) == code.strip()


def test_invisible_characters_at_the_ends_of_a_code_are_trimmed() -> None:
    assert code_.validate_python("\u200e\ufeffA1\u00a0") == "A1"


@pytest.mark.parametrize("code", ["2.02E+11", "2,02e+11", "1E+5"])
def test_a_shortened_number_is_refused_without_advice_that_makes_another_code(code: str) -> None:
    with pytest.raises(ValidationError, match="A spreadsheet has shortened this number") as raised:
        code_.validate_python(code)
    (error,) = raised.value.errors()
    assert (error["type"], "'-'" in error["msg"]) == ("code_shortened", False)


@pytest.mark.parametrize(
    ("code", "is_advised"), [("a b", True), ("a/b", True), ("\u00c4-12", False), ("\u0663", False)]
)
def test_a_hyphen_is_advised_only_for_what_is_no_letter(code: str, is_advised: bool) -> None:
    with pytest.raises(ValidationError) as raised:
        code_.validate_python(code)

    assert ("Write '-' instead" in str(raised.value)) is is_advised


@pytest.mark.parametrize(
    ("code", "kind", "named"),
    [
        ("a b", "code_character", "a space"),
        ("a/b", "code_character", "'/'"),
        ("é", "code_character", "'é'"),
        ("a\nb", "code_character", "U+000A"),
        ("٣", "code_character", "'٣'"),
        (".", "code_dots", "'.'"),
        ("..", "code_dots", "'..'"),
        ("", "string_too_short", "1"),
        ("x" * 65, "string_too_long", "64"),
    ],
)
def test_the_error_names_what_is_invalid_in_a_code(code: str, kind: str, named: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(named)) as raised:
        code_.validate_python(code)
    assert [error["type"] for error in raised.value.errors()] == [kind]


@pytest.mark.parametrize("code", ["A", "..a", "x" * 64, "a b", "é", ".", "..", "", "x" * 65, "a\n"])
def test_the_documented_pattern_of_a_code_matches_its_validation(code: str) -> None:
    schema = code_.json_schema()
    fits = bool(re.fullmatch(schema["pattern"].rstrip("$"), code)) and schema["minLength"] <= len(code) <= 64
    assert fits == (code_.validator.isinstance_python(code) and code == code.strip())
