"""What a new module and its records are called, in every form that code and prose need."""

import keyword
import re
import sys
from dataclasses import dataclass

from core.command import CommandError

MAX_LENGTH = 30

# The folders beside a module's, the service's own tag, and the addresses that are not a module's.
_RESERVED = {"core", "docs", "main", "metrics", "modules", "problems", "redoc", "service", "static", "tests"}

_SOUNDS_LIKE_YOU = re.compile(r"eu|uni|us[aeiu]|one")

_PLACEHOLDER = re.compile(r"(?:\b([Aa]) )?([Ll]ost)([_ -]?)([Ii]tem)(s?)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Names:
    """A module's name and that of one of its records: both in lower case, with `_` between words."""

    plural: str
    singular: str

    @property
    def type_name(self) -> str:
        """The name of the record's class."""
        return _camel(self.singular)

    @property
    def path(self) -> str:
        """The address of the list."""
        return "/" + self.plural.replace("_", "-")

    @property
    def one(self) -> str:
        """One record in prose: `a course`, `an open day`."""
        return f"{self._article} {self.singular.replace('_', ' ')}"

    @property
    def _article(self) -> str:
        vowel = self.singular[0] in "aeiou" and not _SOUNDS_LIKE_YOU.match(self.singular)
        return "an" if vowel else "a"

    def put_into(self, text: str) -> str:
        """The text of a template, which is about lost items, made to be about these records.

        Two words, because their forms differ: `lost_item` and `LostItem` in code, `lost-items` in addresses, and
        `a lost item` in prose.
        """
        return _PLACEHOLDER.sub(self._written, text)

    def _written(self, found: re.Match[str]) -> str:
        article, first, separator, second, s = found.groups()
        name = self.plural if s else self.singular
        if second[0].isupper() and not separator:
            return _camel(name)
        spaced = name.replace("_", separator)
        spaced = spaced[0].upper() + spaced[1:] if first[0].isupper() else spaced
        return spaced if article is None else f"{article}{self._article[1:]} {spaced}"


def names_for(plural: str, singular: str | None = None) -> Names:
    """The names for a module; raises `CommandError` for one that cannot be used, and where no singular is known."""
    _check(plural)
    names = Names(plural, singular or _singular_of(plural))
    _check_form(names.singular)
    return names


def _check(name: str) -> None:
    _check_form(name)
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise CommandError(f"{name!r} is a word of Python. Choose another name.")
    if name in sys.stdlib_module_names:
        raise CommandError(f"{name!r} is a module of Python's own library. Choose another name.")
    if name in _RESERVED:
        raise CommandError(f"{name!r} is reserved for the service itself. Choose another name.")


def _check_form(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]+(_[a-z0-9]+)*", name) or len(name) > MAX_LENGTH:
        raise CommandError(
            f"{name!r} cannot be a name: write 2 to {MAX_LENGTH} small letters and digits, with '_' between words, "
            "such as open_days."
        )


def _singular_of(plural: str) -> str:
    for pattern, ending in ((r"(?<=..)ies$", "y"), (r"(?<=ss|ch|sh)es$|(?<=x)es$", ""), (r"(?<=[^su])s$", "")):
        singular = re.sub(pattern, ending, plural)
        if singular != plural:
            return singular
    raise CommandError(f"What is one of {plural!r}? Say it with --singular.")


def _camel(name: str) -> str:
    return "".join(part[0].upper() + part[1:] for part in name.split("_"))
