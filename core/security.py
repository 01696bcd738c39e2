"""Password hashes and signed tokens: pure functions, without a database and without a web framework."""

import logging
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jose import jwt
from passlib.context import CryptContext

from core.clock import utc_now

ALGORITHM = "HS256"

# Far more than our own tokens need (about 300 bytes); what is longer is not even parsed.
MAX_TOKEN_BYTES = 8192

# bcrypt reads no further, and passlib cuts silently: longer passwords must be refused before they come here.
MAX_PASSWORD_BYTES = 72

# passlib 1.7.4 looks for a version attribute that bcrypt 4.1 dropped, logs a traceback, and works all the same.
logging.getLogger("passlib.handlers.bcrypt").setLevel(logging.ERROR)

_passwords = CryptContext(schemes=["bcrypt"], bcrypt__ident="2b")

# The signature alone proves too little: every claim that we rely on must be there.
_REQUIRED = {f"require_{claim}": True for claim in ("sub", "iat", "exp", "jti")}

# How far the clocks of two servers may differ before one refuses what the other has just issued.
CLOCK_SKEW = timedelta(seconds=30)


class InvalidToken(ValueError):
    """A token that must not be believed. Does not say why: the reason would help only a forger."""


def is_hashable(password: str) -> bool:
    """Whether bcrypt can tell this password from every other: text of at most 72 bytes in UTF-8, without a NUL."""
    try:
        return len(password.encode()) <= MAX_PASSWORD_BYTES and "\0" not in password
    except UnicodeEncodeError:  # a lone surrogate
        return False


def hash_password(password: str, cost: int) -> str:
    """The bcrypt hash (`$2b$`) of a password that `is_hashable`. `cost` is log2 of the rounds: 12 takes 0.25 s
    of a core, so call it in a thread."""
    hashed: str = _passwords.using(bcrypt__rounds=cost).hash(password)
    return hashed


def verify_password(password: str, hashed: str) -> bool:
    """Whether `password` is the one behind `hashed`. Takes as long as making the hash did."""
    return bool(_passwords.verify(password, hashed))


def new_secret_key() -> str:
    """A user's signing key: 32 random bytes, as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def sign_token(claims: Mapping[str, Any], key: str, lifetime: timedelta) -> str:
    """A JWT (RFC 7519) of `claims`, `sub` among them, signed with that user's own key."""
    now = utc_now()
    times = {"iat": now, "exp": now + lifetime, "jti": secrets.token_urlsafe(16)}
    token: str = jwt.encode({**claims, **times}, key, algorithm=ALGORITHM)
    return token


def unverified_subject(token: str) -> str:
    """Whom the token claims to speak for: tells which key to try, and nothing else may rest on it."""
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken
    try:
        subject = jwt.get_unverified_claims(token).get("sub")
    except Exception as error:  # python-jose lets far more than JWTError through: RecursionError, UnicodeError …
        raise InvalidToken from error
    if not isinstance(subject, str):
        raise InvalidToken
    return subject


def verify_token(
    token: str, key: str, *, longest: timedelta | None = None, issuer: str | None = None
) -> dict[str, Any]:
    """The claims of a token that `key` signed and that is valid now; raises `InvalidToken`.

    `longest` is how far ahead a token of ours can expire at most; `issuer`, if given, is the only one believed.
    """
    if not key:  # python-jose would accept a token that was forged with an empty key
        raise InvalidToken
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[ALGORITHM], issuer=issuer, options=_REQUIRED | {"require_iss": issuer is not None}
        )
        critical = "crit" in jwt.get_unverified_header(token)
    except Exception as error:  # as above
        raise InvalidToken from error
    if critical:  # extensions that must be understood (RFC 7515, section 4.1.11); we know none
        raise InvalidToken
    # python-jose takes "123" and true for numbers, and does not look whether `iat` lies in the future.
    if any(type(claims.get(name, 0)) is not int for name in ("exp", "iat", "auth_time")):
        raise InvalidToken
    soon = utc_now() + CLOCK_SKEW
    if not all(0 <= claims.get(name, 0) <= soon.timestamp() for name in ("iat", "auth_time")):
        raise InvalidToken
    if longest is not None and claims["exp"] > (soon + longest).timestamp():
        raise InvalidToken
    return claims
