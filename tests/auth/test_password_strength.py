"""Tests of the estimate of password strength, which takes bounded time for any password."""

from collections.abc import Sequence

import pytest
from zxcvbn import matching

from modules.auth.password_strength import MAX_CHARACTERS, MAX_COST, estimate, scored_prefix, words_of

LEET = "4@8({[<3690#!1/|0$5+7%2"

# The most expensive passwords found by a search over substitutions, repetitions and the user's own words; see `cost`.
WORST = [
    LEET * 3,
    "({[<4@691!|7$5+" * 4,
    "({[<1|7+" + "4@69!$5" * 9,
    "1!|7" * 18,
    "4@" * 36,
    "a4" * 36,
    "a" * 72,
    "password1" * 8,
    "P@55w0rd!23#" * 6,
    "l33t5p34k 15 w31rd 4nd 10ng 3n0ugh to 8e ju0g3d 4t l3ngth, w1th 411 s1gns"[:72],
    "9<werty+l6pad9<a3%9(91234t0$[1+g6$[1+g61+g6z!oioi%@l61{3",
    "011({12werty+l6pad9<91234t0$[1234t0$[1+6[[1+g6z!oi%@l612@l612",
]
WORDS = [
    (),
    ("a" * 64, ".".join("a" * length for length in range(1, 21))),
    ("aeist0" * 10, "@".join(["l6.z.oi.4t.g6.12.w.ert.pad" * 2, ".".join(f"a{number}" for number in range(60))])),
]


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of substrings that were looked up, one for each way to undo substituted characters."""
    counts: list[int] = []
    original = matching.dictionary_match

    def counted(password: str, _ranked_dictionaries: dict[str, dict[str, int]]) -> object:
        counts.append(len(password) * (len(password) + 1) // 2)
        return original(password, _ranked_dictionaries=_ranked_dictionaries)

    monkeypatch.setattr(matching, "dictionary_match", counted)
    return counts


@pytest.mark.parametrize("known", WORDS, ids=["nothing known", "many words", "words of substituted characters"])
@pytest.mark.parametrize("password", WORST)
def test_the_work_is_bounded(password: str, known: Sequence[str], searched: list[int]) -> None:
    estimate(password, known)

    assert 0 < sum(searched) <= MAX_COST


@pytest.mark.parametrize("password", WORST)
def test_at_least_eight_characters_are_judged(password: str) -> None:
    assert 8 <= len(scored_prefix(password)) <= MAX_CHARACTERS
    assert password.startswith(scored_prefix(password))


@pytest.mark.parametrize("password", ["secure123", "a quiet harbour", "P@ssw0rd!2026", "correct horse battery staple"])
def test_an_ordinary_password_is_judged_as_a_whole(password: str) -> None:
    assert scored_prefix(password) == password


def test_the_number_of_the_users_own_words_is_limited() -> None:
    words = words_of(["alice", "alice@north.school.example", ".".join(f"word{number}" for number in range(200))])

    assert words[:2] == ["alice", "alice@north.school.example"]
    assert "school" in words
    assert len(words) <= 12


def test_the_users_own_name_is_easy_to_guess() -> None:
    assert estimate("zebracrossing", ())["score"] > estimate("zebracrossing", ("zebracrossing",))["score"]
    assert estimate("zebracrossing", ("x@zebracrossing.example",))["score"] == 0
