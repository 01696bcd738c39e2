r"""The grammar of the parameters that are lists. The documented patterns are made of the same parts.

list   = item *("," item)      ; blanks around an item are dropped, and so is an item without any character
item   = plain / quoted [":" plain]
plain  = text without a comma that does not begin with a quotation mark
quoted = DQUOTE text DQUOTE    ; a quotation mark in it is doubled
pair   = name ":" target       ; an item, split at its last colon
"""

import re
from collections.abc import Iterable, Iterator

from pydantic_core import PydanticCustomError

_BLANKS = " \t\r\n"
_BLANK = r"[ \t\r\n]"
_QUOTED = r'(?:[^"]|"")*'
_PLAIN = r'[^ \t\r\n",][^,]*'
_ITEM = re.compile(rf'{_BLANK}*(?:"({_QUOTED})"{_BLANK}*(:[^",:]*)?|({_PLAIN}))?(,|\Z)')


def _list_pattern(item: str) -> str:
    return rf"^{_BLANK}*(?:{item})?(?:,{_BLANK}*(?:{item})?)*$"


LIST_PATTERN = _list_pattern(rf'"{_QUOTED}"{_BLANK}*(?::[^",:]*)?|{_PLAIN}')


def pairs_pattern(target: str) -> str:
    """Return the pattern of a list of pairs, given that of their targets, which have no comma, no colon, no quotation
    mark and no blanks at their ends."""
    name = rf'{_BLANK}*(?:[^" \t\r\n]|""){_QUOTED}'
    second = rf":{_BLANK}*{target}{_BLANK}*"
    return _list_pattern(rf'"{name}"{_BLANK}*{second}|"{name}{second}"{_BLANK}*|{_PLAIN}{second}')


def quoted(item: str) -> str:
    """Return an item as it stands in a list."""
    return '"' + item.replace('"', '""') + '"' if set(item) & set(',"') else item


def items_of(texts: Iterable[str]) -> Iterator[str]:
    """Yield the items of the values of a parameter. Raise `PydanticCustomError` if one is not a list."""
    for text in texts:
        start, comma = 0, ","
        while comma:
            found = _ITEM.match(text, start)
            if found is None:
                raise PydanticCustomError(
                    "list", 'This is no comma-separated list; quote items that have a comma, as in "Name, first".'
                )
            quoted, rest, plain, comma = found.groups()
            if quoted is not None:
                yield (quoted.replace('""', '"') + (rest or "")).strip(_BLANKS)
            elif plain:
                yield plain.strip(_BLANKS)
            start = found.end()


def pairs_of(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of the values of a parameter. Raise `PydanticCustomError` if one is not a list of pairs."""
    for item in items_of(texts):
        name, _, target = (part.strip(_BLANKS) for part in item.rpartition(":"))
        if not (name and target):
            raise PydanticCustomError("pair", 'Write pairs such as "{example}".', {"example": "ID number:roll_no"})
        yield name, target
