"""Pieces of an SVG picture, as text. Whatever comes from users is escaped here."""

import unicodedata
from collections.abc import Sequence
from html import escape

# Of text in pixels: usually, and of the kinds that are headings.
SIZE, SIZES = 12, {"h1": 20, "h2": 16}

# Widths of characters in a usual sans-serif typeface, as parts of its size; rather too wide than too narrow.
_NARROW, _USUAL, _CAPITAL, _FULL = 0.4, 0.65, 0.79, 1.05


def plain(words: str) -> str:
    """Text as content of an element."""
    return escape(words)


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """An element with content that is SVG already. Underscores in names of attributes are hyphens."""
    written = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """A line of text; its kind is what the style sheet knows it by."""
    return element("text", plain(words), x=x, y=y, class_=kind, text_anchor=anchor)


def cut_text(x: float, y: float, words: str, kind: str, room: float) -> str:
    """A line of text, cut where there is no more room. A pointer that rests on it is shown the whole."""
    shown = fitted(words, room, SIZES.get(kind, SIZE))
    whole = "" if shown == words else element("title", plain(words))
    return element("text", plain(shown) + whole, x=x, y=y, class_=kind)


def width(words: str, size: float) -> float:
    """About how wide text is."""
    return sum(_width(character) for character in words) * size


def fitted(words: str, room: float, size: float) -> str:
    """As much of the text as fits, with an ellipsis where something is cut."""
    if width(words, size) <= room:
        return words
    while words and width(words + "…", size) > room:
        words = words[:-1]
    return words.rstrip() + "…"


def lines(words: Sequence[str], room: float, size: float) -> list[str]:
    """Words in lines that fit; a word that is too long for a line is cut."""
    filled: list[str] = []
    for word in words:
        longer = f"{filled[-1]} {word}" if filled else word
        if filled and width(longer, size) <= room:
            filled[-1] = longer
        else:
            filled.append(fitted(word, room, size))
    return filled


def number(value: float) -> str:
    """A number for people: at most two decimals, groups of three digits."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _width(character: str) -> float:
    if unicodedata.combining(character):
        return 0
    if unicodedata.east_asian_width(character) in "WF" or character in "mwMW@%":
        return _FULL
    if character in "iljtfrI.,:;'|!()[] -":
        return _NARROW
    return _CAPITAL if character.isupper() else _USUAL
