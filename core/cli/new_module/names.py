"""The names of a new module and its records, in every form that code and prose need."""

import keyword
import re
import sys
from dataclasses import dataclass

from core.command import CommandError

MAX_LENGTH = 30

# The names of other folders, the service's own OpenAPI tag, and paths that belong to no module.
_RESERVED = {"core", "docs", "main", "metrics", "modules", "problems", "redoc", "service", "static", "tests"}

_SOUNDS_LIKE_YOU = re.compile(r"eu|uni|us[aeiu]|one")

_PLACEHOLDER = re.compile(r"(?:\b([Aa]) )?([Ll]ost)([_ -]?)([Ii]tem)(s?)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Names:
    """The name of a module, which is the plural of its records' name, and the singular. Both are in snake case."""

    plural: str
    singular: str

    @property
    def type_name(self) -> str:
        """The class name of a record."""
        return _camel(self.singular)

    @property
    def path(self) -> str:
        """The URL path of the list."""
        return "/" + self.plural.replace("_", "-")

    @property
    def one(self) -> str:
        """The name of one record in prose, with its article: `a course`, `an open day`."""
        return f"{self._article} {self.singular.replace('_', ' ')}"

    @property
    def _article(self) -> str:
        vowel = self.singular[0] in "aeiou" and not _SOUNDS_LIKE_YOU.match(self.singular)
        return "an" if vowel else "a"

    def put_into(self, text: str) -> str:
        """Return a template's text with these names in place of the placeholder "lost item".

        The placeholder has two words, because the forms differ: `lost_item` and `LostItem` in code, `LOST_ITEMS` in
        settings, `lost-items` in URLs, and `a lost item` in prose.
        """
        return _PLACEHOLDER.sub(self._replacement, text.replace("LOST_ITEMS", self.plural.upper()))

    def _replacement(self, match: re.Match[str]) -> str:
        article, first, separator, second, s = match.groups()
        name = self.plural if s else self.singular
        if second[0].isupper() and not separator:
            return _camel(name)
        spaced = name.replace("_", separator)
        spaced = spaced[0].upper() + spaced[1:] if first[0].isupper() else spaced
        return spaced if article is None else f"{article}{self._article[1:]} {spaced}"


def names_for(plural: str, singular: str | None = None) -> Names:
    """Return the names for a module. Raise `CommandError` if a name is not usable, or if the singular is neither given
    nor derivable from the plural."""
    _check(plural)
    names = Names(plural, singular or _singular_of(plural))
    _check_form(names.singular)
    return names


def _check(name: str) -> None:
    _check_form(name)
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise CommandError(f"{name!r} is a Python keyword. Choose another name.")
    if name in sys.stdlib_module_names:
        raise CommandError(f"{name!r} is a module of the Python standard library. Choose another name.")
    if name in _RESERVED:
        raise CommandError(f"{name!r} is reserved for the service itself. Choose another name.")


def _check_form(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]+(_[a-z0-9]+)*", name) or len(name) > MAX_LENGTH:
        raise CommandError(
            f"{name!r} is not a valid name. Use 2 to {MAX_LENGTH} lowercase letters and digits, with '_' between "
            "words, such as open_days."
        )


def _singular_of(plural: str) -> str:
    for pattern, ending in ((r"(?<=..)ies$", "y"), (r"(?<=ss|ch|sh)es$|(?<=x)es$", ""), (r"(?<=[^su])s$", "")):
        singular = re.sub(pattern, ending, plural)
        if singular != plural:
            return singular
    raise CommandError(f"The singular of {plural!r} is not known. Give it with --singular.")


def _camel(name: str) -> str:
    return "".join(part[0].upper() + part[1:] for part in name.split("_"))
