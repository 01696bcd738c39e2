"""Letters that older texts (before Unicode 5.1) have as a consonant, a virama and a zero-width joiner."""

import re

_JOINER = "\u200d"
# By the consonant: the chillus of Malayalam, and khanda ta of Bengali (The Unicode Standard, sections 12.9 and 12.2).
_LETTERS = {
    "\u0d23": "\u0d7a",
    "\u0d28": "\u0d7b",
    "\u0d30": "\u0d7c",
    "\u0d32": "\u0d7d",
    "\u0d33": "\u0d7e",
    "\u0d15": "\u0d7f",
    "\u09a4": "\u09ce",
}
_SEQUENCE = re.compile(f"([{''.join(_LETTERS)}])[\u0d4d\u09cd]{_JOINER}")


def with_joined_letters(text: str) -> str:
    """Return a text with one letter for each such sequence.

    Do so before joiners are removed: without its joiner, the sequence is another letter, as in `അവന്` (to him), which is
    not `അവൻ` (he).
    """
    return _SEQUENCE.sub(lambda found: _LETTERS[found[1]], text) if _JOINER in text else text
