"""Search terms: the words of a text without case and accents, and the words of a search, which are their beginnings.

Terms are stored and indexed, so a change of how they are made needs a migration.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

from modules.students.joined_letters import with_joined_letters

# The highest number of terms that begin inside a word, and the number of characters of each.
MAX_INNER_TERMS = 100
INNER_LENGTH = 20

# How many parts of a word, such as the two of "O'Neil", are joined to one term.
MAX_JOINED = 5

# For how many characters a process remembers what becomes of them: more than the names of a school have.
_CACHED_CHARACTERS = 5_000

# Letters that Unicode does not decompose into a base letter and an accent.
_LATIN = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
_HAUSA_AND_SAMI = {"ɓ": "b", "ɗ": "d", "ƙ": "k", "ƴ": "y", "ŋ": "n", "ŧ": "t"}
_CYRILLIC = {"\u0491": "\u0433"}  # ghe with upturn, which not all keyboards of Ukrainian have: ghe
# Forms of Arabic letters that keyboards of Arabic, Persian and Urdu have in place of one another.
_ARABIC = {
    **dict.fromkeys("\u0649\u06cc", "\u064a"),  # alef maksura and Farsi yeh: yeh
    **dict.fromkeys("\u0629\u06c1\u06c3\u06d5", "\u0647"),  # teh marbuta, and heh in Urdu and Kurdish: heh
    "\u06a9": "\u0643",  # keheh: kaf
    "\u0671": "\u0627",  # alef wasla: alef
}
# What is written as an apostrophe: quotation marks, primes, letters of Ukrainian, Uzbek, Hawaiian, Hebrew and Nahuatl,
# and the dot in Catalan. The tone marks U+02CA and U+02CB, which look alike, belong to the words of Bopomofo.
_APOSTROPHES = "`\u2018\u2019\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u055a\u05f3\u05f4\ua78c\u00b7"
# Hyphens, and dashes that editors put in their place. U+2014 and U+2015 separate words.
_HYPHENS = "\u2010\u2011\u2012\u2013\u2043\u2212\u02d7\u058a\u05be\u1806\u2e17"
# Tatweel, which only lengthens a line of Arabic, and characters that choose the form of the one before.
_NOTHING = ["\u0640", "\u034f", *map(chr, (*range(0x180B, 0x180E), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))]
_FOLDED = str.maketrans(
    {
        **_LATIN,
        **_HAUSA_AND_SAMI,
        **_CYRILLIC,
        **_ARABIC,
        **dict.fromkeys(_APOSTROPHES, "'"),
        **dict.fromkeys(_HYPHENS, "-"),
        **dict.fromkeys("\u201c\u201d", '"'),
        **dict.fromkeys(_NOTHING, ""),
    }
)
_ASCII = str.maketrans(
    {"`": "'"} | {chr(code): " " for code in range(128) if not (chr(code).isalnum() or chr(code) in "`'-")}
)

# Between two letters, apostrophes and hyphens may be left out. Next to a digit, they separate words like a blank.
_JOINER = re.compile(r"(?<=[^\s\d'-])['-]+(?=[^\s\d'-])")
_SEPARATORS = re.compile(r"['-]+")

# Chinese, Japanese and Korean letters: the scripts without blanks between the words of a name.
_UNSPACED = re.compile(
    "[\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\ufa0e-\ufa29\U00020000-\U0003ffff]"
)
# Where a term begins inside a word: at each of them, and at what follows them, as in `张伟Zhang`.
_INNER = re.compile(f"{_UNSPACED.pattern}|(?<={_UNSPACED.pattern}).")
# A blank between two of them, which people write or leave out.
_BLANK = re.compile(f"(?<={_UNSPACED.pattern}) +(?={_UNSPACED.pattern})")

# A quotation mark between Hebrew letters is an abbreviation's gershayim (UAX 29, rules WB7b and WB7c).
_GERSHAYIM = re.compile('(?<=[\u05d0-\u05ea])"(?=[\u05d0-\u05ea])')
# A tone of Thai or Lao after the first half of sara am, which has its place before it.
_LATE_TONE = re.compile("([\u0e4d\u0ecd])([\u0e48-\u0e4b\u0ec8-\u0ecb])")

# The canonical combining classes of marks that are no accents: voicing marks of kana (8), viramas (9), vowels of Telugu
# (84, 91), Thai (103), Lao (118) and Tibetan (129, 130, 132), and tones of Thai (107) and Lao (122).
_LETTERS = {8, 9, 84, 91, 103, 107, 118, 122, 129, 130, 132}
# A tone of Burmese. Its class is also that of nuktas, which writers of Hindi leave out.
_DOT_BELOW = "\u1037"


def terms_of(text: str) -> list[str]:
    """Return the distinct search terms of a text: each word from each of its parts on, case-folded, without accents.

    `Zoë O'Neil-Łuk` gives `zoe`, `oneilluk`, `neilluk` and `luk`. In Chinese, Japanese and Korean, blanks do not count,
    and a further term begins at each letter, and at other letters that follow: `王小明` and `王 小明` give `王小明`,
    `小明` and `明`, and `张伟Zhang` also gives `zhang`.
    """
    words = _words(text)
    terms = ["".join(parts[first : first + MAX_JOINED]) for parts in words for first in range(len(parts))]
    inner = () if text.isascii() else islice(_inner_terms(map("".join, words)), MAX_INNER_TERMS)
    return list(dict.fromkeys([*terms, *inner]))


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
    """Return the words of a text, each divided into the parts that an apostrophe or a hyphen joins, or a blank between
    letters of Chinese, Japanese or Korean.

    A word is a sequence of letters, digits and combining marks. Vowel signs, such as those of Hindi, are no accents.
    """
    plain = text.lower().translate(_ASCII) if text.isascii() else _BLANK.sub("+", _without_accents(text))
    if "'" in plain or "-" in plain:
        plain = _SEPARATORS.sub(" ", _JOINER.sub("+", plain))
    return [word.split("+") for word in plain.split()]


def _without_accents(text: str) -> str:
    """Return a text of words, blanks, apostrophes and hyphens only."""
    joined = with_joined_letters(text).replace("\u00b4", "'")  # NFKD makes a blank of an acute accent
    decomposed = unicodedata.normalize("NFKD", joined)
    folded = unicodedata.normalize("NFKD", decomposed.casefold().translate(_FOLDED))
    kept = "".join(map(_kept, folded))
    if '"' in kept:
        kept = _GERSHAYIM.sub("'", kept)
    if "\u0e4d" in kept or "\u0ecd" in kept:
        kept = _LATE_TONE.sub(r"\2\1", kept)
    # Composed again: `か` must not be a beginning of `が`, nor a syllable of Korean one of a longer syllable.
    return "".join(map(_in_word, unicodedata.normalize("NFC", kept)))


@lru_cache(_CACHED_CHARACTERS)
def _kept(character: str) -> str:
    """Return nothing for an accent and for what is invisible, such as a zero-width joiner, an ASCII digit for a digit,
    and any other character as it is."""
    combining, category = unicodedata.combining(character), unicodedata.category(character)
    is_accent = combining != 0 and combining not in _LETTERS and character != _DOT_BELOW
    if is_accent or category == "Cf":
        return ""
    return str(unicodedata.decimal(character)) if category == "Nd" else character


@lru_cache(_CACHED_CHARACTERS)
def _in_word(character: str) -> str:
    """Return a character that is a letter, a digit or a mark, may be one in a later version of Unicode, or joins two
    parts of a word, and a blank for any other."""
    category = unicodedata.category(character)
    return character if category[0] in "LNM" or category in ("Cn", "Co") or character in "'-" else " "


def _inner_terms(words: Iterable[str]) -> Iterator[str]:
    """Yield the terms that begin inside a word. They are cut, so that a long name has no long terms."""
    for word in words:
        for letter in _INNER.finditer(word, 1):
            yield word[letter.start() : letter.start() + INNER_LENGTH]


def _cut(prefix: str) -> str:
    return prefix[:INNER_LENGTH] if _UNSPACED.search(prefix) else prefix
