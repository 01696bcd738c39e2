"""Access tokens, each signed with its user's own key."""

import hashlib
import hmac
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from beanie import PydanticObjectId

from core.clock import utc_now
from core.database import collection
from core.errors import Unauthenticated
from core.identity import Principal, Role
from core.security import InvalidToken, sign_token, unverified_subject, verify_token
from modules.auth.metrics import INVALID_TOKEN
from modules.auth.models import SigningKey, User
from modules.auth.schemas import Token, is_username
from modules.auth.settings import AuthSettings
from modules.auth.token_cache import VerifiedToken, verified_tokens


def signing_key(secret_key: str) -> str:
    """Return the key that signs a user's tokens: the stored key, or with `TOKEN_PEPPER` an HMAC of it, so that a stolen
    database alone does not suffice to forge tokens."""
    pepper = AuthSettings.current().token_pepper
    if pepper is None:
        return secret_key
    return hmac.digest(pepper.get_secret_value().encode(), secret_key.encode(), hashlib.sha256).hex()


def issue(user: User, authenticated_at: datetime | None = None) -> Token:
    """Return a token for `user`, who entered the password at `authenticated_at`, by default now. The token expires with
    the session at the latest; raise `Unauthenticated` if the session has expired."""
    settings, now = AuthSettings.current(), utc_now()
    authenticated_at = authenticated_at or now
    session_ends = authenticated_at + timedelta(hours=settings.session_max_hours)
    lifetime = min(timedelta(minutes=settings.access_token_minutes), session_ends - now)
    if lifetime < timedelta(seconds=1):
        raise Unauthenticated("This session has expired. Sign in again.", error="invalid_token")
    claims = {"sub": user.username, "auth_time": int(authenticated_at.timestamp())}
    if settings.issuer:
        claims["iss"] = settings.issuer
    return Token(
        access_token=sign_token(claims, signing_key(user.secret_key), lifetime),
        token_type="bearer",  # noqa: S106  # not a secret: the name of a token type
        expires_in=int(lifetime.total_seconds()),
    )


class TokenAuthenticator:
    """The authenticator of `core.identity`: finds the user whose key signed a token."""

    async def __call__(self, token: str) -> Principal:
        """Return the user of a token, possibly from the cache; raise `Unauthenticated` if the token is invalid.

        Takes one query unless the token is cached: the token names its user, whose key must verify it.
        """
        return verified_tokens.find(token) or await _verify(token)

    async def verify(self, principal: Principal, use_cache: bool) -> Principal:
        """Return the caller with the account's current role. Raise `Unauthenticated` unless the account is active and
        has the key that verified the token. Takes one query, unless the cache is known to be current."""
        user = PydanticObjectId(principal.id)
        if use_cache and verified_tokens.holds(user, principal.key_version):
            return principal
        filter_ = {"_id": user, "key_version": principal.key_version, "active": True}
        stored = await collection(User).find_one(filter_, ["role"])
        if stored is None:
            raise revoked()
        return replace(principal, role=Role(stored["role"]))


authenticate = TokenAuthenticator()


def revoked() -> Unauthenticated:
    """Count an invalid token, and return the error for it."""
    INVALID_TOKEN.inc()
    return Unauthenticated("This access token is invalid, expired or revoked. Sign in again.", error="invalid_token")


async def _verify(token: str) -> Principal:
    settings, changes = AuthSettings.current(), verified_tokens.changes
    try:
        user = await _find_user(token)
        claims = verify_token(
            token,
            signing_key(user.secret_key),
            max_lifetime=timedelta(minutes=settings.access_token_minutes),
            issuer=settings.issuer,
        )
    except InvalidToken as error:
        raise revoked() from error
    principal = Principal(
        user.username,
        user.role,
        datetime.fromtimestamp(claims.get("auth_time", claims["iat"]), UTC),
        id=str(user.id),
        key_version=user.key_version,
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
    if settings.auth_cache_seconds:
        cached_until = time.monotonic() + settings.auth_cache_seconds
        verified_tokens.add(token, VerifiedToken(principal, user.id, claims["exp"], cached_until), changes)
    return principal


async def _find_user(token: str) -> SigningKey:
    # A name is never reused for another account (see `usernames`), whose key would not verify the token anyway.
    name = unverified_subject(token)
    if is_username(name):
        fields = ["_id", "username", "secret_key", "key_version", "role", "active"]
        stored = await collection(User).find_one({"username_key": name.lower()}, fields)
        if stored and stored["active"]:
            return SigningKey.model_validate(stored)
    raise InvalidToken
