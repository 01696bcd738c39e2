"""Alphabetical order by the Unicode Collation Algorithm (UTS 10), as sort keys: texts that sort by code point.

The order of `root` is that of the algorithm's default table, in which blanks and punctuation count, as in CLDR. Further
languages have letters of their own: `LANGUAGES` lists them as in CLDR (`common/collation`).
"""

import unicodedata
from functools import cache
from typing import Any

import pyuca

ROOT = "root"

_NORWEGIAN = "d=đ=ð; y=ü=ű; z æ=ä=ę ø=ö=ő=œ å=aa"
_CROATIAN = "c č ć; d dž đ; l lj; n nj; s š; z ž"

LANGUAGES = {
    ROOT: "",
    "bs": _CROATIAN,
    "cs": "c č; h ch; r ř; s š; z ž",
    "da": "d=đ=ð; y=ü=ű; z æ=ä ø=ö=ő=œ å=aa",
    "es": "n ñ",
    "et": "s š z ž; w õ ä ö ü",
    "fi": "d=đ=ð; y=ü; z å ä=æ ö=ø",
    "hr": _CROATIAN,
    "hu": "c cs; d dz dzs; g gy; l ly; n ny; o ö=ő; s sz; t ty; u ü=ű; z zs",
    "is": "a á; d=đ ð; e é; i í; o ó; u ú; y ý; z þ æ=ä ö=ø å",
    "nb": _NORWEGIAN,
    "nn": _NORWEGIAN,
    "no": _NORWEGIAN,
    "pl": "a ą; c ć; e ę; l ł; n ń; o ó; s ś; z ź ż",
    "ro": "a ă â; i î; s ș=ş; t ț=ţ",
    "sk": "a ä; c č; h ch; o ô; r ř; s š; z ž",
    "sl": "c č ć; d đ; s š; z ž",
    "sv": "d=đ=ð; y=ü=ű; z å ä=æ=ę ö=ø=ő=œ=ô",
    "tr": "c ç; g ğ; h \u0131; i=\u0130; o ö; s ş; u ü",
}
"""For each language, what differs from `root`: a letter, and those that follow it, each a letter of its own. After `=`
are variants of a letter, which differ from it as if by an accent. A pair, such as `aa`, counts as a letter."""

# Higher than the weight of any letter: a letter with this weight behind it follows all that begins with the letter.
_FOLLOWING = 0xFF00

# Separates the levels of a key: letters, accents and case. No weight is lower.
_SEPARATOR = "\x01"
_NO_ACCENT, _LOWER_CASE, _UPPER_CASE = 0x20, 0x02, 0x08


def collation_key(text: str, language: str) -> str:
    """Return a text whose order by code point is the alphabetical order of a language in `LANGUAGES`.

    Texts that differ in accents or case only have different keys: the accents count first, and lower case comes before
    upper case. Texts that differ in invisible characters only have the same key.
    """
    if text.isascii() and (ascii_weights := _ascii_weights(language)):
        letters, case = ascii_weights
        return _joined(text.translate(letters), "", text.translate(case))
    elements = _collator(language).collation_elements(unicodedata.normalize("NFD", text))
    return _joined(*(_level(elements, level) for level in range(3)))


def collation_version(language: str) -> str:
    """Return a text that changes if the keys of a language do: then stored keys must be made again."""
    return f"{language} {LANGUAGES[language]} {pyuca.Collator.UCA_VERSION}"


def _joined(letters: str, accents: str, case: str) -> str:
    """Join the levels of a key. What is usual is left out at their ends, as the least of all weights of its level."""
    accents, case = accents.rstrip(chr(_NO_ACCENT)), case.rstrip(chr(_LOWER_CASE))
    return _SEPARATOR.join((letters, accents, case)).rstrip(_SEPARATOR)


def _level(elements: list[list[int]], level: int) -> str:
    """Return the weights of one level as a text."""
    return "".join(_character(element[level]) for element in elements if element[level])


def _character(weight: int) -> str:
    return chr(weight if weight < 0xD800 else weight + 0x800)  # surrogates cannot be stored


@cache
def _collator(language: str) -> Any:
    """Return the collator of a language. Takes 0.2 seconds and 15 MB."""
    collator: Any = pyuca.Collator()
    for group in filter(None, LANGUAGES[language].split(";")):
        letters = [letter.split("=") for letter in group.split()]
        ((base, *_),) = collator.collation_elements(letters[0][0])
        for place, variants in enumerate(letters):
            for number, variant in enumerate(variants):
                is_base = place == number == 0
                for text in () if is_base else {variant, variant.title(), variant.upper()}:
                    weights = [[base, _NO_ACCENT + number, _LOWER_CASE if text.islower() else _UPPER_CASE]]
                    following = [[_FOLLOWING + place, 0, 0]] if place else []
                    collator.table.add([*map(ord, unicodedata.normalize("NFD", text))], weights + following)
    return collator


@cache
def _ascii_weights(language: str) -> tuple[dict[int, str], dict[int, str]] | None:
    """Return the letters and the case of each ASCII character, or None if pairs of them count as letters."""
    if any(len(letter) > 1 and letter.isascii() for letter in LANGUAGES[language].replace("=", " ").split()):
        return None
    weights = {code: _collator(language).collation_elements(chr(code)) for code in range(128)}
    letters = {code: _level(elements, 0) for code, elements in weights.items()}
    return letters, {code: _level(elements, 2) for code, elements in weights.items()}
