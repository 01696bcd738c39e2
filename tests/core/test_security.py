"""Tests of password hashes and tokens: only valid ones are accepted, and others raise only `InvalidToken`."""

import hmac
import json
import re
import time
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest

from core.security import (
    MAX_TOKEN_BYTES,
    InvalidToken,
    hash_password,
    new_secret_key,
    sign_token,
    unverified_subject,
    verify_password,
    verify_token,
)

KEY = "k" * 64
MINUTE = timedelta(minutes=1)


def b64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def forge(claims: bytes | dict[str, object], *, alg: object = "HS256", key: str = KEY, header: bytes = b"") -> str:
    """Return a token with any claims, signed as its `alg` says."""
    head = header or json.dumps({"alg": alg, "typ": "JWT"}).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = b64(head) + b"." + b64(body)
    if alg == "none":
        return f"{signed.decode()}."
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(str(alg), "sha256")
    return (signed + b"." + b64(hmac.digest(key.encode(), signed, digest))).decode()


def valid_claims(**changes: object) -> dict[str, object]:
    """Return valid claims with these changes. None omits a claim."""
    now = int(time.time())
    claims: dict[str, object] = {"sub": "alice", "iat": now, "exp": now + 3600, "jti": "x", **changes}
    return {name: value for name, value in claims.items() if value is not None}


NOW = int(time.time())
VALID_TOKEN = forge(valid_claims())
HEAD, BODY, SIGNATURE = VALID_TOKEN.split(".")

INVALID_TOKENS: dict[str, str] = {
    "alg none": forge(valid_claims(), alg="none"),
    "alg none, signed": forge(valid_claims(), header=b'{"alg":"none"}'),
    "alg NONE": forge(valid_claims(), header=b'{"alg":"NONE"}'),
    "no alg": forge(valid_claims(), header=b"{}"),
    "alg a list": forge(valid_claims(), header=b'{"alg":["HS256"]}'),
    "HS384": forge(valid_claims(), alg="HS384"),
    "HS512": forge(valid_claims(), alg="HS512"),
    "RS256": forge(valid_claims(), alg="RS256"),
    "header a list": forge(valid_claims(), header=b"[]"),
    "header not JSON": forge(valid_claims(), header=b"{"),
    "header not UTF-8": forge(valid_claims(), header=b"\xff"),
    "header deeply nested": forge(valid_claims(), header=b"[" * 3000),
    "another key": forge(valid_claims(), key="x" * 64),
    "an empty key": forge(valid_claims(), key=""),
    "the key in upper case": forge(valid_claims(), key=KEY.upper()),
    "exp missing": forge(valid_claims(exp=None)),
    "exp past": forge(valid_claims(exp=NOW - 1)),
    "exp zero": forge(valid_claims(exp=0)),
    "exp negative": forge(valid_claims(exp=-(10**30))),
    "exp a string": forge(valid_claims(exp=str(NOW + 60))),
    "exp a float": forge(valid_claims(exp=NOW + 60.5)),
    "exp NaN": forge(valid_claims(exp=float("nan"))),
    "exp infinite": forge(valid_claims(exp=float("inf"))),
    "exp true": forge(valid_claims(exp=True)),
    "exp a list": forge(valid_claims(exp=[NOW + 60])),
    "exp of 5000 digits": forge(json.dumps(valid_claims(exp=0)).replace('"exp": 0', '"exp": ' + "9" * 5000).encode()),
    "iat missing": forge(valid_claims(iat=None)),
    "iat in the future": forge(valid_claims(iat=NOW + 3600, exp=NOW + 7200)),
    "iat a string": forge(valid_claims(iat=str(NOW))),
    "iat true": forge(valid_claims(iat=True)),
    "iat NaN": forge(valid_claims(iat=float("nan"))),
    "nbf in the future": forge(valid_claims(nbf=NOW + 3600)),
    "sub missing": forge(valid_claims(sub=None)),
    "sub a number": forge(valid_claims(sub=1)),
    "sub a list": forge(valid_claims(sub=["alice"])),
    "sub an object": forge(valid_claims(sub={"$ne": ""})),
    "jti missing": forge(valid_claims(jti=None)),
    "jti a number": forge(valid_claims(jti=1)),
    "claims a list": forge(b"[]"),
    "claims null": forge(b"null"),
    "claims a string": forge(b'"alice"'),
    "claims not JSON": forge(b"{"),
    "claims not UTF-8": forge(b'{"sub": "\xff"}'),
    "claims deeply nested": forge(b'{"sub":' * 800 + b"1" + b"}" * 800),
    "claims changed": f"{HEAD}.{b64(json.dumps(valid_claims(sub='bob')).encode()).decode()}.{SIGNATURE}",
    "signature missing": f"{HEAD}.{BODY}.",
    "signature of zeros": f"{HEAD}.{BODY}.{'A' * 43}",
    "signature cut": f"{HEAD}.{BODY}.{SIGNATURE[:-4]}",
    "signature not base64": f"{HEAD}.{BODY}.{'~' * 43}",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{VALID_TOKEN}.{SIGNATURE}",
    "five parts": "a.b.c.d.e",
    "empty": "",
    "dots": "..",
    "one word": "garbage",
    "not ASCII": "é.é.é",
    "a lone surrogate": f"{HEAD}.{BODY}.\ud800",
    "NUL": f"{VALID_TOKEN}\0",
    "10 KB of claims": forge(valid_claims(padding="x" * 10_000)),
    "10 KB of dots": "." * 10_240,
    "10 KB of brackets": "[" * 10_240,
}


def verify(token: str, key: str = KEY) -> dict[str, Any]:
    """Read the subject of a token, then verify its signature with that user's key, as the service does."""
    unverified_subject(token)
    return verify_token(token, key)


@pytest.mark.parametrize("token", INVALID_TOKENS.values(), ids=INVALID_TOKENS)
def test_an_invalid_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verify(token)


@pytest.mark.parametrize("token", INVALID_TOKENS.values(), ids=INVALID_TOKENS)
def test_each_of_the_two_steps_raises_only_invalid_token(token: str) -> None:
    for step in (unverified_subject, lambda token: verify_token(token, KEY)):
        try:
            answer = step(token)
        except InvalidToken as error:
            assert str(error) == ""  # noqa: PT017  # reveals no reason to an attacker
        else:
            assert isinstance(answer, str | dict)


@pytest.mark.parametrize("claim", ["sub", "iat", "exp", "jti"])
def test_every_claim_is_required(claim: str) -> None:
    with pytest.raises(InvalidToken):
        verify_token(forge(valid_claims(**{claim: None})), KEY)


def test_a_valid_token_is_accepted() -> None:
    assert unverified_subject(VALID_TOKEN) == "alice"
    assert verify(VALID_TOKEN)["sub"] == "alice"


@pytest.mark.parametrize("key", ["", " ", "x" * 64, KEY[:-1]])
def test_another_key_verifies_no_token(key: str) -> None:
    with pytest.raises(InvalidToken):
        verify_token(VALID_TOKEN, key)


def test_an_empty_key_verifies_no_token_even_if_it_signed_it() -> None:
    with pytest.raises(InvalidToken):
        verify_token(forge(valid_claims(), key=""), "")


def test_clocks_may_differ_by_half_a_minute() -> None:
    now = int(time.time())
    assert verify(forge(valid_claims(iat=now + 20)))["iat"] == now + 20


def test_a_token_has_a_subject_an_expiry_and_a_unique_id() -> None:
    first, second = (verify(sign_token({"sub": "alice"}, KEY, MINUTE)) for _ in range(2))
    assert set(first) == {"sub", "iat", "exp", "jti"}
    assert (first["sub"], first["exp"] - first["iat"]) == ("alice", 60)
    assert first["jti"] != second["jti"]


def test_an_expired_token_is_refused() -> None:
    with pytest.raises(InvalidToken):
        verify(sign_token({"sub": "alice"}, KEY, -MINUTE))


def test_a_token_of_the_maximum_size_is_accepted() -> None:
    padding = "x" * (MAX_TOKEN_BYTES * 3 // 4 - 200)
    token = forge(valid_claims(padding=padding))
    assert MAX_TOKEN_BYTES - 200 < len(token) <= MAX_TOKEN_BYTES
    assert verify(token)["padding"] == padding


def test_a_subject_with_any_characters_is_preserved() -> None:
    name = "Ünï-\U0001f600"
    assert unverified_subject(sign_token({"sub": name}, KEY, MINUTE)) == name


@pytest.mark.parametrize("password", ["secure123", "", "x" * 72, "é" * 36, "\U0001f600" * 18, " spaced "])
def test_a_hash_matches_only_its_password(password: str) -> None:
    hashed = hash_password(password, 4)
    assert re.fullmatch(r"\$2b\$04\$[./A-Za-z0-9]{53}", hashed)
    assert verify_password(password, hashed)
    assert not verify_password(password[:-1] + "?", hashed)


@pytest.mark.parametrize("cost", [4, 5, 12])
def test_the_cost_is_in_the_hash(cost: int) -> None:
    assert hash_password("secure123", cost).startswith(f"$2b${cost:02}$")


def test_each_hash_has_a_different_salt() -> None:
    assert hash_password("secure123", 4) != hash_password("secure123", 4)


def test_hashing_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    hash_password("secure123", 4)
    assert caplog.text == ""


def test_a_secret_key_is_32_random_bytes() -> None:
    first, second = new_secret_key(), new_secret_key()
    assert len(bytes.fromhex(first)) == len(bytes.fromhex(second)) == 32
    assert first != second
