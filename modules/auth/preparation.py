"""The forms in which user names, e-mail addresses and passwords are stored and compared (RFC 8265).

The same name or password arrives in different code points, depending on the keyboard and the system.
"""

from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from core.api import Email, normalized, plain_spaces

# The full-width forms of ASCII characters, which East Asian keyboards type.
_FULL_WIDTH = {code + 0xFEE0: code for code in range(ord("!"), ord("~") + 1)}

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)


class LoginName(NamedTuple):
    """What a user typed to sign in: the unique field of an account that it names, None if no account can have it, and
    the value in the form in which accounts are found and failures are counted."""

    field: str | None
    key: str

    @classmethod
    def of(cls, text: str) -> "LoginName":
        """Parse a user name or an e-mail address. A text with an `@`, also of full width, is an address: no user name
        contains one."""
        plain = text.strip().replace("\uff20", "@")
        if "@" not in plain:
            return cls("username_key", prepared_username(plain).lower())
        try:
            return cls("email_key", _EMAIL.validate_python(plain).lower())
        except ValidationError:
            return cls(None, plain.lower())


def prepared_username(text: str) -> str:
    """Return a user name in NFC, with plain instead of full-width characters (RFC 8265, section 3.4), and without
    blanks at its ends."""
    return normalized("NFC", text.strip().translate(_FULL_WIDTH))


def prepared_password(text: str) -> str:
    """Return a password in NFC, with plain instead of other spaces (RFC 8265, section 4.2). Blanks at its ends belong
    to it."""
    return normalized("NFC", plain_spaces(text))
