"""Password hashes and signed tokens: functions that use neither the database nor the web framework."""

import logging
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jose import jwt
from passlib.context import CryptContext

from core.clock import utc_now

ALGORITHM = "HS256"

# Our own tokens have about 300 bytes; longer input than this is rejected without parsing it.
MAX_TOKEN_BYTES = 8192

# bcrypt ignores further bytes, and passlib truncates silently: longer passwords must be rejected beforehand.
MAX_PASSWORD_BYTES = 72

# passlib 1.7.4 reads a version attribute that bcrypt 4.1 removed: it logs a traceback, but works correctly.
logging.getLogger("passlib.handlers.bcrypt").setLevel(logging.ERROR)

_passwords = CryptContext(schemes=["bcrypt"], bcrypt__ident="2b")

# A valid signature is not enough: every claim that we rely on must be present.
_REQUIRED = {f"require_{claim}": True for claim in ("sub", "iat", "exp", "jti")}

# The largest difference between the clocks of two servers at which each accepts tokens that the other just issued.
CLOCK_SKEW = timedelta(seconds=30)


class InvalidToken(ValueError):
    """The token is invalid. The error gives no reason, as the reason would only help an attacker."""


def is_hashable(password: str) -> bool:
    """Return whether bcrypt can distinguish this password from all others: at most 72 bytes in UTF-8, without NUL."""
    try:
        return len(password.encode()) <= MAX_PASSWORD_BYTES and "\0" not in password
    except UnicodeEncodeError:  # a lone surrogate
        return False


def hash_password(password: str, cost: int) -> str:
    """Return the bcrypt hash (`$2b$`) of a password for which `is_hashable` holds.

    `cost` is log2 of the number of rounds: 12 takes 0.25 s of CPU time, so call this function in a thread.
    """
    hashed: str = _passwords.using(bcrypt__rounds=cost).hash(password)
    return hashed


def verify_password(password: str, hashed: str) -> bool:
    """Return whether `password` matches `hashed`. Takes as long as computing the hash did."""
    return bool(_passwords.verify(password, hashed))


def new_secret_key() -> str:
    """Return a new signing key for a user: 32 random bytes, as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def sign_token(claims: Mapping[str, Any], key: str, lifetime: timedelta) -> str:
    """Return a JWT (RFC 7519) with `claims`, which include `sub`, signed with that user's key."""
    now = utc_now()
    times = {"iat": now, "exp": now + lifetime, "jti": secrets.token_urlsafe(16)}
    token: str = jwt.encode({**claims, **times}, key, algorithm=ALGORITHM)
    return token


def unverified_subject(token: str) -> str:
    """Return the token's `sub` claim without verifying the token; raise `InvalidToken`. Use it only to choose the key
    for `verify_token`."""
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken
    try:
        subject = jwt.get_unverified_claims(token).get("sub")
    except Exception as error:  # python-jose also raises others than JWTError: RecursionError, UnicodeError …
        raise InvalidToken from error
    if not isinstance(subject, str):
        raise InvalidToken
    return subject


def verify_token(
    token: str, key: str, *, max_lifetime: timedelta | None = None, issuer: str | None = None
) -> dict[str, Any]:
    """Return the claims of a token that `key` signed and that is valid now; raise `InvalidToken`.

    A token that expires later than `max_lifetime` from now is invalid. If `issuer` is given, it must have issued the
    token.
    """
    if not key:  # python-jose would accept a token that is signed with an empty key
        raise InvalidToken
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[ALGORITHM], issuer=issuer, options=_REQUIRED | {"require_iss": issuer is not None}
        )
        critical = "crit" in jwt.get_unverified_header(token)
    except Exception as error:  # as above
        raise InvalidToken from error
    if critical:  # extensions that the recipient must support (RFC 7515, section 4.1.11); we support none
        raise InvalidToken
    # python-jose accepts "123" and true as numbers, and does not check whether `iat` is in the future.
    if any(type(claims.get(name, 0)) is not int for name in ("exp", "iat", "auth_time")):
        raise InvalidToken
    soon = utc_now() + CLOCK_SKEW
    if not all(0 <= claims.get(name, 0) <= soon.timestamp() for name in ("iat", "auth_time")):
        raise InvalidToken
    if max_lifetime is not None and claims["exp"] > (soon + max_lifetime).timestamp():
        raise InvalidToken
    return claims
