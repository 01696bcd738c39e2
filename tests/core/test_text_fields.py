"""Names are one line of visible characters, whatever their script; codes are what an address can hold."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from core.api.text_fields import Code, PrintableLine, spoken

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
        ("x", "x"),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_visible_line_is_kept(sent: str, kept: str) -> None:
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
        ("a\u00a0b", "not_printable"),
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
def test_what_cannot_be_seen_is_refused(sent: object, kind: str) -> None:
    with pytest.raises(ValidationError) as raised:
        line.validate_python(sent)
    assert [error["type"] for error in raised.value.errors()] == [kind]


def test_an_invisible_character_is_named() -> None:
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
    assert spoken(character) == expected


@pytest.mark.parametrize("code", ["A", "a.b", "..a", "-", "_", "0", "x" * 64, " padded "])
def test_a_code_is_kept_as_it_is(code: str) -> None:
    assert code_.validate_python(code) == code.strip()


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
def test_what_cannot_stand_in_an_address_is_named(code: str, kind: str, named: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(named)) as raised:
        code_.validate_python(code)
    assert [error["type"] for error in raised.value.errors()] == [kind]


@pytest.mark.parametrize("code", ["A", "..a", "x" * 64, "a b", "é", ".", "..", "", "x" * 65, "a\n"])
def test_the_documented_pattern_of_a_code_is_true(code: str) -> None:
    schema = code_.json_schema()
    fits = bool(re.fullmatch(schema["pattern"].rstrip("$"), code)) and schema["minLength"] <= len(code) <= 64
    assert fits == (code_.validator.isinstance_python(code) and code == code.strip())
