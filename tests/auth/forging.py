"""Create signed tokens with arbitrary headers and claims, as an attacker could."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

HS256 = {"alg": "HS256", "typ": "JWT"}

DIGESTS = {"HS384": "sha384", "HS512": "sha512"}


def b64(raw: bytes) -> bytes:
    """Encode as base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def as_json(value: object) -> bytes:
    """Serialize a value as JSON; return bytes unchanged."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def forge(claims: object, key: str, header: object = HS256) -> str:
    """Return a token with these claims and this header, signed with the HMAC that `alg` names, or with SHA-256."""
    alg = header.get("alg") if isinstance(header, Mapping) else None
    signed = b64(as_json(header)) + b"." + b64(as_json(claims))
    mac = hmac.digest(key.encode(), signed, DIGESTS.get(str(alg).upper(), "sha256"))
    return (signed + b"." + b64(mac)).decode()


def valid_claims(subject: object, **changes: object) -> dict[str, Any]:
    """Return claims that are valid if signed with the subject's key, with these changes. `...` omits a claim."""
    now = int(time.time())
    claims = {"sub": subject, "iat": now, "exp": now + 600, "jti": "forged", "auth_time": now, **changes}
    return {name: value for name, value in claims.items() if value is not ...}
