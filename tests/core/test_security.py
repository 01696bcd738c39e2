"""Password hashes and tokens: what is good verifies, and nothing else does or escapes as another error."""

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
    """A token that is signed as its `alg` says, whatever is in it."""
    head = header or json.dumps({"alg": alg, "typ": "JWT"}).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = b64(head) + b"." + b64(body)
    if alg == "none":
        return f"{signed.decode()}."
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(str(alg), "sha256")
    return (signed + b"." + b64(hmac.digest(key.encode(), signed, digest))).decode()


def good(**changes: object) -> dict[str, object]:
    """Claims that verify, but for `changes`; None leaves one out."""
    now = int(time.time())
    claims: dict[str, object] = {"sub": "alice", "iat": now, "exp": now + 3600, "jti": "x", **changes}
    return {name: value for name, value in claims.items() if value is not None}


NOW = int(time.time())
GOOD = forge(good())
HEAD, BODY, SIGNATURE = GOOD.split(".")

UNBELIEVABLE: dict[str, str] = {
    "alg none": forge(good(), alg="none"),
    "alg none, signed": forge(good(), header=b'{"alg":"none"}'),
    "alg NONE": forge(good(), header=b'{"alg":"NONE"}'),
    "no alg": forge(good(), header=b"{}"),
    "alg a list": forge(good(), header=b'{"alg":["HS256"]}'),
    "HS384": forge(good(), alg="HS384"),
    "HS512": forge(good(), alg="HS512"),
    "RS256": forge(good(), alg="RS256"),
    "header a list": forge(good(), header=b"[]"),
    "header not JSON": forge(good(), header=b"{"),
    "header not UTF-8": forge(good(), header=b"\xff"),
    "header deep": forge(good(), header=b"[" * 3000),
    "another key": forge(good(), key="x" * 64),
    "an empty key": forge(good(), key=""),
    "the key in upper case": forge(good(), key=KEY.upper()),
    "exp missing": forge(good(exp=None)),
    "exp past": forge(good(exp=NOW - 1)),
    "exp zero": forge(good(exp=0)),
    "exp negative": forge(good(exp=-(10**30))),
    "exp a string": forge(good(exp=str(NOW + 60))),
    "exp a float": forge(good(exp=NOW + 60.5)),
    "exp NaN": forge(good(exp=float("nan"))),
    "exp infinite": forge(good(exp=float("inf"))),
    "exp true": forge(good(exp=True)),
    "exp a list": forge(good(exp=[NOW + 60])),
    "exp of 5000 digits": forge(json.dumps(good(exp=0)).replace('"exp": 0', '"exp": ' + "9" * 5000).encode()),
    "iat missing": forge(good(iat=None)),
    "iat in the future": forge(good(iat=NOW + 3600, exp=NOW + 7200)),
    "iat a string": forge(good(iat=str(NOW))),
    "iat true": forge(good(iat=True)),
    "iat NaN": forge(good(iat=float("nan"))),
    "nbf in the future": forge(good(nbf=NOW + 3600)),
    "sub missing": forge(good(sub=None)),
    "sub a number": forge(good(sub=1)),
    "sub a list": forge(good(sub=["alice"])),
    "sub an object": forge(good(sub={"$ne": ""})),
    "jti missing": forge(good(jti=None)),
    "jti a number": forge(good(jti=1)),
    "claims a list": forge(b"[]"),
    "claims null": forge(b"null"),
    "claims a string": forge(b'"alice"'),
    "claims not JSON": forge(b"{"),
    "claims not UTF-8": forge(b'{"sub": "\xff"}'),
    "claims deep": forge(b'{"sub":' * 800 + b"1" + b"}" * 800),
    "claims changed": f"{HEAD}.{b64(json.dumps(good(sub='bob')).encode()).decode()}.{SIGNATURE}",
    "signature gone": f"{HEAD}.{BODY}.",
    "signature of zeros": f"{HEAD}.{BODY}.{'A' * 43}",
    "signature cut": f"{HEAD}.{BODY}.{SIGNATURE[:-4]}",
    "signature not base64": f"{HEAD}.{BODY}.{'~' * 43}",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{SIGNATURE}",
    "five parts": "a.b.c.d.e",
    "empty": "",
    "dots": "..",
    "one word": "garbage",
    "not ASCII": "é.é.é",
    "a lone surrogate": f"{HEAD}.{BODY}.\ud800",
    "NUL": f"{GOOD}\0",
    "10 KB of claims": forge(good(padding="x" * 10_000)),
    "10 KB of dots": "." * 10_240,
    "10 KB of brackets": "[" * 10_240,
}


def believe(token: str, key: str = KEY) -> dict[str, Any]:
    """What a caller does with a token: whose is it, and did that user's key sign it?"""
    unverified_subject(token)
    return verify_token(token, key)


@pytest.mark.parametrize("token", UNBELIEVABLE.values(), ids=UNBELIEVABLE)
def test_nothing_else_is_believed(token: str) -> None:
    with pytest.raises(InvalidToken):
        believe(token)


@pytest.mark.parametrize("token", UNBELIEVABLE.values(), ids=UNBELIEVABLE)
def test_each_of_the_two_steps_fails_in_no_other_way(token: str) -> None:
    for step in (unverified_subject, lambda token: verify_token(token, KEY)):
        try:
            answer = step(token)
        except InvalidToken as error:
            assert str(error) == ""  # noqa: PT017  # a forger learns nothing of why
        else:
            assert isinstance(answer, str | dict)


@pytest.mark.parametrize("claim", ["sub", "iat", "exp", "jti"])
def test_every_claim_must_be_there(claim: str) -> None:
    with pytest.raises(InvalidToken):
        verify_token(forge(good(**{claim: None})), KEY)


def test_a_forged_token_that_is_good_verifies() -> None:
    assert unverified_subject(GOOD) == "alice"
    assert believe(GOOD)["sub"] == "alice"


@pytest.mark.parametrize("key", ["", " ", "x" * 64, KEY[:-1]])
def test_no_other_key_verifies(key: str) -> None:
    with pytest.raises(InvalidToken):
        verify_token(GOOD, key)


def test_an_empty_key_verifies_nothing_not_even_its_own() -> None:
    with pytest.raises(InvalidToken):
        verify_token(forge(good(), key=""), "")


def test_clocks_may_differ_by_half_a_minute() -> None:
    now = int(time.time())
    assert believe(forge(good(iat=now + 20)))["iat"] == now + 20


def test_a_token_says_who_and_until_when_and_is_unique() -> None:
    first, second = (believe(sign_token({"sub": "alice"}, KEY, MINUTE)) for _ in range(2))
    assert set(first) == {"sub", "iat", "exp", "jti"}
    assert (first["sub"], first["exp"] - first["iat"]) == ("alice", 60)
    assert first["jti"] != second["jti"]


def test_a_token_whose_time_is_over_is_refused() -> None:
    with pytest.raises(InvalidToken):
        believe(sign_token({"sub": "alice"}, KEY, -MINUTE))


def test_a_token_of_the_greatest_size_is_still_read() -> None:
    padding = "x" * (MAX_TOKEN_BYTES * 3 // 4 - 200)
    token = forge(good(padding=padding))
    assert MAX_TOKEN_BYTES - 200 < len(token) <= MAX_TOKEN_BYTES
    assert believe(token)["padding"] == padding


def test_a_subject_outlives_the_journey() -> None:
    name = "Ünï-\U0001f600"
    assert unverified_subject(sign_token({"sub": name}, KEY, MINUTE)) == name


@pytest.mark.parametrize("password", ["secure123", "", "x" * 72, "é" * 36, "\U0001f600" * 18, " spaced "])
def test_a_password_is_behind_its_own_hash_only(password: str) -> None:
    hashed = hash_password(password, 4)
    assert re.fullmatch(r"\$2b\$04\$[./A-Za-z0-9]{53}", hashed)
    assert verify_password(password, hashed)
    assert not verify_password(password[:-1] + "?", hashed)


@pytest.mark.parametrize("cost", [4, 5, 12])
def test_the_cost_is_in_the_hash(cost: int) -> None:
    assert hash_password("secure123", cost).startswith(f"$2b${cost:02}$")


def test_a_hash_has_a_salt_of_its_own() -> None:
    assert hash_password("secure123", 4) != hash_password("secure123", 4)


def test_hashing_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    hash_password("secure123", 4)
    assert caplog.text == ""


def test_a_secret_key_is_32_random_bytes() -> None:
    first, second = new_secret_key(), new_secret_key()
    assert len(bytes.fromhex(first)) == len(bytes.fromhex(second)) == 32
    assert first != second
