"""Search terms: the words of a text without case and accents, and the words of a search, which are their beginnings.

Terms are stored and indexed, so a change of how they are made needs a migration.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

# The highest number of terms that begin inside a word, and the number of characters of each.
MAX_INNER_TERMS = 100
INNER_LENGTH = 20

# How many parts of a word, such as the two of "O'Neil", are joined to one term.
MAX_JOINED = 5

# Letters that Unicode does not decompose into a base letter and an accent.
_LATIN = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
# Forms of Arabic letters that keyboards of Arabic, Persian and Urdu have in place of one another.
_ARABIC = {
    **dict.fromkeys("\u0649\u06cc", "\u064a"),  # alef maksura and Farsi yeh: yeh
    **dict.fromkeys("\u0629\u06c1\u06c3\u06d5", "\u0647"),  # teh marbuta, and heh in Urdu and Kurdish: heh
    "\u06a9": "\u0643",  # keheh: kaf
    "\u0671": "\u0627",  # alef wasla: alef
}
# What is written as an apostrophe: quotation marks, primes, and letters of Ukrainian, Uzbek, Hawaiian and Hebrew.
_APOSTROPHES = "`\u2018\u2019\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u055a\u05f3"
_HYPHENS = "\u2010\u2011\u058a\u05be"
# Tatweel, which only lengthens a line of Arabic, and characters that choose the form of the one before.
_NOTHING = ["\u0640", "\u034f", *map(chr, (*range(0x180B, 0x180E), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))]
_FOLDED = str.maketrans(
    {
        **_LATIN,
        **_ARABIC,
        **dict.fromkeys(_APOSTROPHES, "'"),
        **dict.fromkeys(_HYPHENS, "-"),
        **dict.fromkeys(_NOTHING, ""),
    }
)
_ASCII = str.maketrans(
    {"`": "'"} | {chr(code): " " for code in range(128) if not (chr(code).isalnum() or chr(code) in "`'-")}
)

# Between two letters, an apostrophe or a hyphen may be left out. Next to a digit, it separates words like a blank.
_JOINER = re.compile(r"(?<=[^\s\d'-])['-](?=[^\s\d'-])")
_SEPARATORS = re.compile(r"['-]+")

# Chinese, Japanese and Korean letters: the scripts without blanks between the words of a name.
_UNSPACED = re.compile(
    "[\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]"
)

# The canonical combining classes of marks that are no accents: voicing marks of kana (8), viramas (9), and vowels of
# Telugu (84, 91), Thai (103), Lao (118) and Tibetan (129, 130, 132).
_LETTERS = {8, 9, 84, 91, 103, 118, 129, 130, 132}


def terms_of(text: str) -> list[str]:
    """Return the distinct search terms of a text: each word from each of its parts on, case-folded, without accents.

    `Zoë O'Neil-Łuk` gives `zoe`, `oneilluk`, `neilluk` and `luk`. In Chinese, Japanese and Korean, a further term
    begins at each letter: `王小明` gives `王小明`, `小明` and `明`.
    """
    words = ["".join(parts[first : first + MAX_JOINED]) for parts in _words(text) for first in range(len(parts))]
    inner = () if text.isascii() else islice(_inner_terms(words), MAX_INNER_TERMS)
    return list(dict.fromkeys([*words, *inner]))


def prefixes_of(search: str) -> list[list[str]]:
    """Return for each part of each word of a search the alternatives with one of which a term must begin.

    `o'neil` gives `[["o"], ["neil", "oneil"]]`, and so finds `O'Neil`, `ONeil` and `Neil O`.
    """
    found = (
        [_cut("".join(parts[first : last + 1])) for first in range(last, max(-1, last - MAX_JOINED), -1)]
        for parts in _words(search)
        for last in range(len(parts))
    )
    return [list(alternatives) for alternatives in dict.fromkeys(map(tuple, found))]


def _words(text: str) -> list[list[str]]:
    """Return the words of a text, each divided into the parts that an apostrophe or a hyphen joins.

    A word is a sequence of letters, digits and combining marks. Vowel signs, such as those of Hindi, are no accents.
    """
    plain = text.lower().translate(_ASCII) if text.isascii() else _without_accents(text)
    if "'" in plain or "-" in plain:
        plain = _SEPARATORS.sub(" ", _JOINER.sub("+", plain))
    return [word.split("+") for word in plain.split()]


def _without_accents(text: str) -> str:
    """Return a text of words, blanks, apostrophes and hyphens only."""
    decomposed = unicodedata.normalize("NFKD", text.replace("\u00b4", "'"))  # NFKD makes a blank of an acute accent
    folded = unicodedata.normalize("NFKD", decomposed.casefold().translate(_FOLDED))
    kept = "".join(character for character in folded if not _is_dropped(character))
    # Composed again: `か` must not be a beginning of `が`, nor a syllable of Korean one of a longer syllable.
    composed = unicodedata.normalize("NFC", kept)
    return "".join(character if _is_in_word(character) else " " for character in composed)


def _is_in_word(character: str) -> bool:
    """Return whether the character is a letter, a digit or a mark, may be one in a later version of Unicode, or joins
    two parts of a word."""
    category = unicodedata.category(character)
    return category[0] in "LNM" or category in ("Cn", "Co") or character in "'-"


def _is_dropped(character: str) -> bool:
    """Return whether the character is an accent or invisible, such as a zero-width joiner."""
    combining = unicodedata.combining(character)
    return (combining != 0 and combining not in _LETTERS) or unicodedata.category(character) == "Cf"


def _inner_terms(words: list[str]) -> Iterator[str]:
    """Yield the terms that begin inside a word. They are cut, so that a long name has no long terms."""
    for word in words:
        for letter in _UNSPACED.finditer(word, 1):
            yield word[letter.start() : letter.start() + INNER_LENGTH]


def _cut(prefix: str) -> str:
    return prefix[:INNER_LENGTH] if _UNSPACED.search(prefix) else prefix
