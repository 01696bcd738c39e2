"""Sort keys: texts that sort by code point, as MongoDB does, in the order that people expect.

They are stored and indexed, so a change of how they are made needs a migration.
"""

import re

from core.collation import collation_key
from core.settings import current_settings

_DIGITS = re.compile(r"0*(\d+)", re.ASCII)


def natural_key(roll_no: str) -> str:
    """Return the key that sorts roll numbers with their digits as numbers: 2, 10, A2, a02, A10.

    Case and leading zeros are ignored. Before each number stands how many digits it has: 2 is `012` and 10 is `0210`.
    """
    return _DIGITS.sub(lambda number: f"{len(number[1]):02}{number[1]}", roll_no.casefold())


def name_key(name: str) -> str:
    """Return the key that sorts names in the alphabetical order of the language in the setting `LOCALE`."""
    return collation_key(name, current_settings().locale)


def last_name_key(name: str) -> str:
    """Return the key that sorts names by their last word, then by the words before it."""
    before, _, last = name.rpartition(" ")
    return name_key(f"{last} {before}" if before else last)
