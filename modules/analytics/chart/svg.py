"""SVG elements as strings. All text from users is escaped here."""

import unicodedata
from collections.abc import Sequence
from html import escape

# Font sizes in pixels: the default, and those of headings by class.
SIZE, SIZES = 12, {"h1": 20, "h2": 16}

# Estimated character widths in a sans-serif typeface, relative to the font size; too wide rather than too narrow.
_NARROW, _USUAL, _CAPITAL, _FULL = 0.4, 0.65, 0.79, 1.05


def plain(words: str) -> str:
    """Return text escaped as the content of an element."""
    return escape(words)


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """Return an element. `content` must be valid SVG; underscores in attribute names become hyphens."""
    written = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """Return a line of text; `kind` is its class in the style sheet."""
    return element("text", plain(words), x=x, y=y, class_=kind, text_anchor=anchor)


def cut_text(x: float, y: float, words: str, kind: str, max_width: float) -> str:
    """Return a line of text, truncated to `max_width` pixels. If truncated, the whole text is its tooltip."""
    shown = fitted(words, max_width, SIZES.get(kind, SIZE))
    whole = "" if shown == words else element("title", plain(words))
    return element("text", plain(shown) + whole, x=x, y=y, class_=kind)


def width(words: str, size: float) -> float:
    """Return the estimated width of a text in pixels."""
    return sum(_width(character) for character in words) * size


def fitted(words: str, max_width: float, size: float) -> str:
    """Return the text, truncated with an ellipsis if it is wider than `max_width` pixels."""
    if width(words, size) <= max_width:
        return words
    while words and width(words + "…", size) > max_width:
        words = words[:-1]
    return words.rstrip() + "…"


def lines(words: Sequence[str], max_width: float, size: float) -> list[str]:
    """Wrap words into lines of at most `max_width` pixels; a word that is too long for a line is truncated."""
    filled: list[str] = []
    for word in words:
        longer = f"{filled[-1]} {word}" if filled else word
        if filled and width(longer, size) <= max_width:
            filled[-1] = longer
        else:
            filled.append(fitted(word, max_width, size))
    return filled


def number(value: float) -> str:
    """Return a number for display: at most two decimals, with thousands separators."""
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
