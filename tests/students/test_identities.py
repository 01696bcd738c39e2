"""Keys that are equal for what may be the same, and names that differ by one edit."""

import itertools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.students.identities import MAX_KEY, identity_key, is_one_edit

ANY = settings(max_examples=300, deadline=None, derandomize=True, database=None)

SAME_STUDENT = [
    ["142", "0142", "00142", "142.0", "142.00", "142,0", "1.42E+02", "1,42e+02", " 142 ", "\uff11\uff14\uff12", "#142"],
    ["1234", "1,234", "1.234", "1'234", "1\u202f234", "1.234E+03", "01234"],
    ["1234567", "1,234,567", "1.234567E+06"],
    ["CS-101", "cs-101", "CS_101", "CS 101", "CS/101", "CS\\101", "CS101", "cs0101", "CS\u2013101", "CS\u00ad-101"],
    ["2021-CS-012", "2021/CS/12", "2021 cs 12", "2021CS12", "2021.CS.12"],
    ["8-01", "8-1", "08/1", "8 1", "8_001"],
    ["\u00e9-1", "e\u0301 1", "\u00c91"],
    ["0", "00", "0.0", "000"],
    ["12000", "12E3", "1.2E+04", "12000.0"],
    ["2.50", "2.5", "2,5", "02.5"],
]


@pytest.mark.parametrize("same", SAME_STUDENT)
def test_roll_numbers_that_may_be_the_same_have_one_key(same: list[str]) -> None:
    assert len({identity_key(roll_no) for roll_no in same}) == 1


def test_roll_numbers_of_different_students_have_different_keys() -> None:
    others = ["1-12", "11-2", "112", "1.42", "14.2", "1.5E+00", "A0", "A", "7", "70", "700", "CS-1"]
    others += ["1,23", "--", "-_-", ".-."]
    keys = [identity_key(roll_no) for roll_no in [*others, *(same[0] for same in SAME_STUDENT)]]

    assert len(set(keys)) == len(keys)


ROLL_NUMBERS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)


@ANY
@given(parts=st.lists(st.from_regex(r"[a-z]{1,4}|[1-9][0-9]{0,4}", fullmatch=True), min_size=2, max_size=4))
def test_case_zeros_and_separators_never_change_a_key(parts: list[str]) -> None:
    mangled = [part.upper() if part.isalpha() else f"00{part}" for part in parts]

    keys = {identity_key(sign.join(written)) for sign in "-_ /" for written in (parts, mangled)}

    assert len(keys) == 1


@ANY
@given(number=st.integers(0, 10**15 - 1), zeros=st.integers(0, 3))
def test_a_spreadsheets_notation_never_changes_a_key(number: int, zeros: int) -> None:
    digits = str(number)
    fraction = digits[1:].rstrip("0") or "0"
    written = ["0" * zeros + digits, f"{digits}.0", f"{number:,}", f"{digits[0]}.{fraction}E+{len(digits) - 1:02}"]

    assert {identity_key(text) for text in written} == {digits}


@ANY
@given(text=st.text(max_size=100) | ROLL_NUMBERS, other=ROLL_NUMBERS)
def test_a_key_is_short_and_stable_and_tells_letters_and_numbers_apart(text: str, other: str) -> None:
    key = identity_key(text)

    assert len(key) <= MAX_KEY
    if key == identity_key(other) and text.isascii():
        letters = [[sign for sign in one.casefold() if sign.isalpha()] for one in (text, other)]
        assert letters[0] == letters[1] or "e+" in text.casefold()


def test_long_texts_that_differ_have_different_keys() -> None:
    assert identity_key("a" * 5000 + "b") != identity_key("a" * 5000 + "c")
    assert identity_key("9E+99") != identity_key("8E+99")


@pytest.mark.parametrize(
    ("name", "other", "is_one"),
    [
        ("Asha Rao", "Asha Rao", True),
        ("Asha Rao", "asha  r\u00e1o", True),
        ("Asha Rao", "Asha Roa", True),
        ("Asha Rao", "Aasha Rao", True),
        ("Asha Rao", "Asha Ra", True),
        ("Asha Rao", "Usha Rao", True),
        ("Asha Rao", "Asha Rai", True),
        ("Jos\u00e9 Nu\u00f1ez", "JOSE NUNES", True),
        ("Asha Rao", "Usha Rai", False),
        ("Asha Rao", "Asha R", False),
        ("Asha Rao", "Rao Asha", False),
        ("abcd", "badc", False),
        ("abc", "cba", False),
        ("", "ab", False),
        ("", "a", True),
    ],
)
def test_names_differ_by_one_edit(name: str, other: str, is_one: bool) -> None:
    assert is_one_edit(name, other) == is_one
    assert is_one_edit(other, name) == is_one


def edits(name: str, letters: str) -> set[str]:
    """Return all that one edit makes of a name."""
    halves = [(name[:at], name[at:]) for at in range(len(name) + 1)]
    inserted = {left + letter + right for (left, right), letter in itertools.product(halves, letters)}
    replaced = {left + letter + right[1:] for (left, right), letter in itertools.product(halves, letters) if right}
    transposed = {left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1}
    return {name} | inserted | replaced | transposed | {left + right[1:] for left, right in halves if right}


@ANY
@given(name=st.text("abc", max_size=5), other=st.text("abc", max_size=5))
def test_one_edit_is_what_one_edit_can_make(name: str, other: str) -> None:
    assert is_one_edit(name, other) == (other in edits(name, string.ascii_lowercase[:3]))
