"""Whether two paths with parameters have a path in common, such as `/a/{x}/c` and `/a/b/{y}`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.convertors import FloatConvertor, IntegerConvertor, StringConvertor, UUIDConvertor


@dataclass(frozen=True, slots=True)
class Token:
    """One character of a path, or several if it is `repeated`. `examples` has one of each kind that `fits`."""

    examples: str
    fits: Callable[[str], bool]
    optional: bool = False
    repeated: bool = False


def _one_of(characters: str, examples: str) -> Token:
    return Token(examples, frozenset(characters).__contains__)


_ANY = Token("~/0a.-", lambda _: True, optional=True, repeated=True)
_DIGIT = _one_of("0123456789", "0")
_DECIMAL = replace(_one_of(".0123456789", "0."), optional=True, repeated=True)
_HEX = _one_of("0123456789abcdefABCDEF", "0a")
_DASH = replace(_one_of("-", "-"), optional=True)

_OF_CONVERTORS: Mapping[type, Sequence[Token]] = {
    StringConvertor: [Token("~0a.-", lambda character: character != "/", repeated=True)],
    IntegerConvertor: [replace(_DIGIT, repeated=True)],
    FloatConvertor: [replace(_DIGIT, repeated=True), _DECIMAL],
    UUIDConvertor: [token for length in (8, 4, 4, 4, 12) for token in (*[_HEX] * length, _DASH)][:-1],
}


def tokens_of(path: str, convertors: Mapping[str, Any]) -> tuple[Token, ...]:
    """Return the tokens of a path such as `/users/{name}`. An unknown convertor may match anything."""
    tokens: list[Token] = []
    for position, part in enumerate(re.split(r"\{(\w+)\}", path)):
        if position % 2:
            tokens += _OF_CONVERTORS.get(type(convertors[part]), [_ANY])
        else:
            tokens += [_one_of(character, character) for character in part]
    return tuple(tokens)


def overlap(one: Sequence[Token], other: Sequence[Token]) -> bool:
    """Return whether a path exists that fits both sequences of tokens."""
    pending, seen = [(0, 0)], set[tuple[int, int]]()
    while pending:
        position = pending.pop()
        if position == (len(one), len(other)):
            return True
        if position not in seen:
            seen.add(position)
            pending += _next(one, other, *position)
    return False


def _next(one: Sequence[Token], other: Sequence[Token], i: int, j: int) -> Iterator[tuple[int, int]]:
    """Yield the positions after a token is left out, or after the same character is taken from both sequences."""
    first = one[i] if i < len(one) else None
    second = other[j] if j < len(other) else None
    if first and first.optional:
        yield i + 1, j
    if second and second.optional:
        yield i, j + 1
    if first and second and (any(map(second.fits, first.examples)) or any(map(first.fits, second.examples))):
        yield i + 1, j + 1
        if first.repeated:
            yield i, j + 1
        if second.repeated:
            yield i + 1, j
