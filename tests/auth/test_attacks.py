"""Tests of attacks on accounts over HTTP, with a server process and a real mongod.

After each test, its responses and everything logged meanwhile are searched for secrets.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import count, product
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

import httpx2
import pytest
from pymongo import MongoClient

from core.database.embedded import address
from core.settings import Settings
from tests.auth.forging import HS256, b64, forge, valid_claims
from tests.processes import until
from tests.servers import Server, serve

pytestmark = pytest.mark.process

PASSWORD = "Quittenbrot-7-Fjord"
OTHER_PASSWORD = "Sanddorn-9-Geysir"
WRONG_PASSWORD = "Haferkeks-3-Lagune"

# Shorter strings occur in any text by chance. Of the secrets that the tests send, only malformed tokens are shorter.
SHORTEST_SECRET = 16

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

PROBLEM = "application/problem+json"
INVALID_TOKEN = 'Bearer error="invalid_token"'

# An operator of MongoDB's query language that matches every non-empty string.
OPERATOR = {"$ne": ""}

# Throttling would reject most of these attacks, so its limits are high. Settings from the shell are cleared.
ENVIRONMENT = {name.upper(): "" for name in Settings.model_fields} | {
    "PORT": "0",
    "BCRYPT_COST": "4",
    "LOG_LEVEL": "DEBUG",
    "LOGIN_FAILURES": "1000",
    "LOGIN_FAILURES_PER_ADDRESS": "10000",
}


@dataclass
class Stage:
    """A server under attack, direct access to its database, and a record of all requests and responses."""

    server: Server
    http: httpx2.Client
    database: Any
    tokens: dict[str, str] = field(default_factory=dict)
    answers: list[httpx2.Response] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)
    logs_read: dict[str, int] = field(default_factory=dict)

    def read_log(self, name: str) -> str:
        """Return what was added to a log file of the data folder since it was last read."""
        path = self.server.log.parent / name
        with path.open("rb") as file:
            file.seek(self.logs_read.get(name, 0))
            text = file.read()
            self.logs_read[name] = file.tell()
        return text.decode(errors="replace")

    def send(self, method: str, path: str, *, by: str | None = None, **request: Any) -> httpx2.Response:
        """Send a request, with the token of the user `by` if given. Record the secrets in it and in its response."""
        headers = list(request.pop("headers", {}).items())
        if by is not None:
            headers.append(("Authorization", f"Bearer {self.tokens[by]}"))
        return self.send_raw(method, path, headers, **request)

    def send_raw(self, method: str, path: str, headers: Sequence[tuple[Any, Any]], **request: Any) -> httpx2.Response:
        """Send a request with exactly these headers. A header may occur more than once."""
        answer = self.http.request(method, path, headers=headers, **request)
        self.answers.append(answer)
        self.secrets |= sent_secrets(answer.request) | set(issued_secrets(answer))
        return answer

    def with_token(self, token: str, path: str = "/students") -> httpx2.Response:
        return self.send("GET", path, headers={"Authorization": f"Bearer {token}"})

    def account(self, name: str = "", role: str = "teacher") -> str:
        """Register an account with this role, sign it in, and return its name."""
        name = name or f"someone{next(self.numbers)}"
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        assert self.send("POST", "/register", json=body).status_code == 201
        self.database.users.update_one({"username": name}, {"$set": {"role": role}})
        self.sign_in(name)
        return name

    def sign_in(self, name: str, password: str = PASSWORD) -> None:
        answer = self.login(name, password)
        assert answer.status_code == 200
        self.tokens[name] = answer.json()["access_token"]

    def login(self, name: str, password: str = PASSWORD, **headers: str) -> httpx2.Response:
        return self.send("POST", "/login", data={"username": name, "password": password}, headers=headers)

    def key(self, name: str) -> str:
        key: str = self.stored(name)["secret_key"]
        return key

    def stored(self, name: str) -> dict[str, Any]:
        """Return an account from the database. Record its secrets, since the next change may replace them."""
        user: dict[str, Any] = self.database.users.find_one({"username": name})
        self.secrets |= {user[name] for name in ("password", "secret_key", "reset_hash") if name in user}
        return user

    def accounts(self) -> list[dict[str, Any]]:
        names = [user["username"] for user in self.database.users.find().sort("_id")]
        return [self.stored(name) for name in names]


def sent_secrets(request: httpx2.Request) -> set[str]:
    """Return the passwords, codes and tokens of a request, even if it was rejected."""
    words = {word.strip('",') for header in request.headers.get_list("Authorization") for word in header.split()}
    words |= {part for word in words for part in word.split(".")}
    given = [value for name, value in sent_members(request) if name == "code" or name.endswith("password")]
    # Blank values occur in any log, and are rejected as passwords.
    passwords = {value for value in given if isinstance(value, str) and value.strip() and len(value) >= 8}
    return {word for word in words if len(word) >= SHORTEST_SECRET} | passwords


def sent_members(request: httpx2.Request) -> list[tuple[str, Any]]:
    """Return the names and values in the body of a request, if it is a JSON object or a form."""
    if request.headers.get("Content-Type") == FORM["Content-Type"]:
        return list(parse_qsl(request.content.decode()))
    try:
        body = json.loads(request.content)
    except (ValueError, RecursionError):
        return []
    return list(body.items()) if isinstance(body, dict) else []


def issued_secrets(answer: httpx2.Response) -> list[str]:
    """Return the token or one-time code that a response issues."""
    if answer.status_code != 200 or not re.search(r"/(login|renew|password|password-reset)$", answer.url.path):
        return []
    return [answer.json()[name] for name in ("access_token", "code") if name in answer.json()]


@pytest.fixture(scope="module")
def running_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start a server with four signed-in users: the teachers alice and bob, a viewer and an admin."""
    folder = tmp_path_factory.mktemp("attacks")
    with serve(folder, **ENVIRONMENT) as server, server.client() as http:
        url = address.url(address.socket_path(folder / "data"))
        with MongoClient[dict[str, Any]](url) as mongo:
            stage = Stage(server, http, mongo["student_management"])
            for name, role in {"alice": "teacher", "bob": "teacher", "viewer": "viewer", "root": "admin"}.items():
                stage.account(name, role)
            yield stage


@pytest.fixture
def stage(running_stage: Stage) -> Iterator[Stage]:
    """Return the running stage. After the test, assert that responses and logs contain no secrets and no failures."""
    running_stage.answers.clear()
    yield running_stage
    running_stage.accounts()  # records their secrets
    check_answers(running_stage)
    for log in ("server.log", "data/mongod.log"):
        check_text(running_stage, running_stage.read_log(log))


def assert_refused(answer: httpx2.Response, status: int, problem: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    if problem:
        assert answer.json()["type"] == f"/problems/{problem}"


# --- Tokens -----------------------------------------------------------------------------------------------------


def alices_token(stage: Stage, header: object = HS256, **changes: object) -> str:
    """Return a token of alice with these changed claims, signed with her key."""
    return forge(valid_claims("alice", **changes), stage.key("alice"), header)


def of_subject(subject: object) -> Callable[[Stage], str]:
    """Return a function that creates a token for this subject, signed with alice's key."""
    return lambda stage: alices_token(stage, sub=subject)


def with_claim(**changes: object) -> Callable[[Stage], str]:
    """Return a function that creates a token of alice with these changed claims. If a claim is a function, it is called
    with the current time."""
    now = time.time
    return lambda stage: alices_token(
        stage, **{name: value(int(now())) if callable(value) else value for name, value in changes.items()}
    )


def with_header(**parameters: object) -> Callable[[Stage], str]:
    return lambda stage: alices_token(stage, HS256 | parameters)


def with_parts(change: Callable[[str, str, str], str]) -> Callable[[Stage], str]:
    """Return a function that creates a valid token and combines its three parts differently."""
    return lambda stage: change(*alices_token(stage).split("."))


def with_claims(claims: bytes) -> Callable[[Stage], str]:
    return lambda stage: forge(claims, stage.key("alice"))


def raw_claim(name: str, value: str) -> Callable[[Stage], str]:
    """Return a function that creates a token with a claim whose value is this raw JSON text."""
    return lambda stage: forge(
        json.dumps(valid_claims("alice", **{name: 0})).replace(f'"{name}": 0', f'"{name}": {value}').encode(),
        stage.key("alice"),
    )


def unsigned(alg: str) -> Callable[[Stage], str]:
    return lambda stage: alices_token(stage, {"alg": alg}).rsplit(".", 1)[0] + "."


def with_own_key(stage: Stage) -> str:
    """Return a token that contains the key that signed it."""
    jwk = {"kty": "oct", "k": b64(b"attacker").decode(), "alg": "HS256"}
    return forge(valid_claims("alice"), "attacker", HS256 | {"jwk": jwk})


YEAR = 365 * 24 * 3600

INVALID_TOKENS: dict[str, Callable[[Stage], str]] = {
    "alg none, unsigned": unsigned("none"),
    "alg None, unsigned": unsigned("None"),
    "alg NONE, unsigned": unsigned("NONE"),
    "alg HS256, unsigned": unsigned("HS256"),
    "alg none, signed": with_header(alg="none"),
    "alg HS384": with_header(alg="HS384"),
    "alg HS512": with_header(alg="HS512"),
    "alg RS256": with_header(alg="RS256"),
    "alg ES256": with_header(alg="ES256"),
    "alg hs256": with_header(alg="hs256"),
    "alg Hs256": with_header(alg="Hs256"),
    "alg a list": with_header(alg=["HS256"]),
    "alg null": with_header(alg=None),
    "alg missing": lambda stage: alices_token(stage, {"typ": "JWT"}),
    "signed with the key of another user": lambda stage: forge(valid_claims("alice"), stage.key("bob")),
    "signed with an admin's key": lambda stage: forge(valid_claims("alice"), stage.key("root")),
    "signed with an empty key": lambda _: forge(valid_claims("alice"), ""),
    "signed with the key in upper case": lambda stage: forge(valid_claims("alice"), stage.key("alice").upper()),
    "signed with the password's hash": lambda stage: forge(valid_claims("alice"), stage.stored("alice")["password"]),
    "signed with half of the key": lambda stage: forge(valid_claims("alice"), stage.key("alice")[:32]),
    "sub another user": of_subject("bob"),
    "sub an admin": of_subject("root"),
    "sub nobody": of_subject("nobody"),
    "sub an object": of_subject({"username": "alice"}),
    "sub an operator": of_subject(OPERATOR),
    "sub an operator as text": of_subject(json.dumps(OPERATOR)),
    "sub a regular expression": of_subject("^alice"),
    "sub a wildcard": of_subject("al.*"),
    "sub a list": of_subject(["alice"]),
    "sub a number": of_subject(1),
    "sub true": of_subject(True),
    "sub null": of_subject(None),
    "sub missing": of_subject(...),
    "sub empty": of_subject(""),
    "sub with NUL": of_subject("alice\0"),
    "sub with a line feed": of_subject("alice\n"),
    "sub with spaces": of_subject(" alice "),
    "sub with a lone surrogate": of_subject("alice\ud800"),
    "sub in full-width letters": of_subject("ａｌｉｃｅ"),  # noqa: RUF001
    "sub of 10 KB": of_subject("a" * 10_240),
    "sub of 5 KB": of_subject("a" * 5000),
    "exp missing": with_claim(exp=...),
    "exp null": with_claim(exp=None),
    "exp past": with_claim(exp=lambda now: now - 1),
    "exp zero": with_claim(exp=0),
    "exp negative": with_claim(exp=-(10**30)),
    "exp in ten years": with_claim(exp=lambda now: now + 10 * YEAR),
    "exp in an hour, beyond the lifetime of a token": with_claim(exp=lambda now: now + 3600),
    "exp beyond any calendar": with_claim(exp=10**30),
    "exp a string": with_claim(exp=lambda now: str(now + 600)),
    "exp a float": with_claim(exp=lambda now: now + 600.5),
    "exp true": with_claim(exp=True),
    "exp a list": with_claim(exp=lambda now: [now + 600]),
    "exp NaN": raw_claim("exp", "NaN"),
    "exp Infinity": raw_claim("exp", "Infinity"),
    "exp 1e400": raw_claim("exp", "1e400"),
    "exp of 5000 digits": raw_claim("exp", "9" * 5000),
    "iat missing": with_claim(iat=...),
    "iat in the future": with_claim(iat=lambda now: now + 300),
    "iat a string": with_claim(iat=str),
    "iat true": with_claim(iat=True),
    "iat NaN": raw_claim("iat", "NaN"),
    "iat before any calendar": with_claim(iat=-(10**18), auth_time=...),
    "auth_time in the future": with_claim(auth_time=lambda now: now + 300),
    "auth_time before any calendar": with_claim(auth_time=-(10**18)),
    "auth_time true": with_claim(auth_time=True),
    "nbf in the future": with_claim(nbf=lambda now: now + 300),
    "jti missing": with_claim(jti=...),
    "jti a number": with_claim(jti=1),
    "no part": lambda _: "garbage",
    "two parts": with_parts(lambda head, body, _: f"{head}.{body}"),
    "four parts": with_parts(lambda head, body, mac: f"{head}.{body}.{mac}.{mac}"),
    "five parts": lambda _: "a.b.c.d.e",
    "empty parts": lambda _: "..",
    "parts swapped": with_parts(lambda head, body, mac: f"{body}.{head}.{mac}"),
    "header not base64": with_parts(lambda _, body, mac: f"~~~~.{body}.{mac}"),
    "claims not base64": with_parts(lambda head, _, mac: f"{head}.~~~~.{mac}"),
    "signature not base64": with_parts(lambda head, body, _: f"{head}.{body}.{'~' * 43}"),
    "signature of zeros": with_parts(lambda head, body, _: f"{head}.{body}.{'A' * 43}"),
    "signature cut": with_parts(lambda head, body, mac: f"{head}.{body}.{mac[:-4]}"),
    "claims changed": with_parts(
        lambda head, _, mac: f"{head}.{b64(json.dumps(valid_claims('root')).encode()).decode()}.{mac}"
    ),
    "header not JSON": lambda stage: alices_token(stage, b"{"),
    "header a list": lambda stage: alices_token(stage, b"[]"),
    "header not UTF-8": lambda stage: alices_token(stage, b'{"alg":"HS256\xff"}'),
    "header of deep lists": lambda stage: alices_token(stage, b"[" * 3000),
    "claims not JSON": with_claims(b"{"),
    "claims a list": with_claims(b"[]"),
    "claims null": with_claims(b"null"),
    "claims not UTF-8": with_claims(b'{"sub":"\xff"}'),
    "claims of deep objects": with_claims(b'{"sub":' * 700 + b"1" + b"}" * 700),
    "10 KB, correctly signed": with_claim(padding="x" * 10_240),
    "10 KB of dots": lambda _: "." * 10_240,
    "its own key in jwk": with_own_key,
    "crit empty": with_header(crit=[]),
    "crit that names an unknown extension": with_header(crit=["exp2"], exp2=1),
    "crit that names a registered parameter": with_header(crit=["alg"]),
    "crit that is not a list": with_header(crit="b64"),
    "crit null": with_header(crit=None),
    "crit and b64": with_header(crit=["b64"], b64=True),
}


@pytest.mark.parametrize("make", INVALID_TOKENS.values(), ids=INVALID_TOKENS)
def test_an_invalid_token_is_401(stage: Stage, make: Callable[[Stage], str]) -> None:
    answer = stage.with_token(make(stage))

    assert_refused(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == INVALID_TOKEN


# RFC 7515, section 4: unknown header parameters must be ignored. None of these selects the key: the service always
# uses the key that it stores for the user in `sub`.
HARMLESS: dict[str, Callable[[Stage], str]] = {
    "unchanged": alices_token,
    "kid": with_header(kid="1"),
    "kid that names a file": with_header(kid="../../dev/null"),
    "kid that is an operator": with_header(kid=OPERATOR),
    "jwk of another key": with_header(jwk={"kty": "oct", "k": "AAAA"}),
    "jku": with_header(jku="http://127.0.0.1:9/keys"),
    "x5u": with_header(x5u="http://127.0.0.1:9/certificate"),
    "no typ": lambda stage: alices_token(stage, {"alg": "HS256"}),
    "sub in another case": lambda stage: alices_token(stage, sub="ALICE"),
    "auth_time missing": with_claim(auth_time=...),
    "further claims": with_claim(role="admin", scope="admin", active=True),
}


@pytest.mark.parametrize("make", HARMLESS.values(), ids=HARMLESS)
def test_other_contents_of_a_valid_token_have_no_effect(stage: Stage, make: Callable[[Stage], str]) -> None:
    token = make(stage)

    assert stage.with_token(token).status_code == 200
    assert stage.with_token(token, "/me").json()["role"] == "teacher"
    assert_refused(stage.with_token(token, "/users"), 403, "forbidden")


@pytest.mark.parametrize("parameter", ["jku", "x5u"])
def test_no_key_is_fetched_from_a_url_in_a_token(stage: Stage, parameter: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"

        assert_refused(stage.with_token(forge(valid_claims("alice"), "attacker", HS256 | {parameter: url})), 401)

        with pytest.raises(BlockingIOError):
            listener.accept()


AUTHORIZATIONS: dict[str, tuple[list[str], int]] = {
    "none": ([], 401),
    "empty": ([""], 401),
    "the scheme alone": (["Bearer"], 401),
    "the token alone": (["{token}"], 401),
    "Bearer twice": (["Bearer Bearer {token}"], 401),
    "Bearer twice, with a comma": (["Bearer {token}, Bearer {token}"], 401),
    "the token twice": (["Bearer {token} {token}"], 401),
    "no space": (["Bearer{token}"], 401),
    "a colon": (["Bearer: {token}"], 401),
    "quotes": (['Bearer "{token}"'], 401),
    "Basic": (["Basic {token}"], 401),
    "Token": (["Token {token}"], 401),
    "JWT": (["JWT {token}"], 401),
    "Latin-1 characters": (["Bearer \u00e9\u00e9.\u00e9.\u00e9"], 401),
    "a lookalike of the scheme": (["B\u00e9arer {token}"], 401),
    # RFC 9110, section 11.1: scheme names are case-insensitive.
    "the scheme in lower case": (["bearer {token}"], 200),
    "the scheme in upper case": (["BEARER {token}"], 200),
    # The first of two headers counts. An attacker would gain nothing from either order.
    "an invalid header before a valid one": (["Bearer x", "Bearer {token}"], 401),
}


@pytest.mark.parametrize(("values", "status"), AUTHORIZATIONS.values(), ids=AUTHORIZATIONS)
def test_only_a_single_bearer_token_is_accepted(stage: Stage, values: list[str], status: int) -> None:
    headers = [(b"Authorization", value.format(token=stage.tokens["alice"]).encode("latin-1")) for value in values]

    answer = stage.send_raw("GET", "/students", headers)

    assert answer.status_code == status
    if status == 401:
        assert_refused(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] in ("Bearer", INVALID_TOKEN)


@pytest.mark.parametrize("location", ["query", "cookie", "X-Access-Token"])
def test_a_token_outside_the_authorization_header_is_ignored(stage: Stage, location: str) -> None:
    token = stage.tokens["alice"]
    requests: dict[str, dict[str, Any]] = {
        "query": {"params": {"access_token": token}},
        "cookie": {"headers": {"Cookie": f"access_token={token}"}},
        "X-Access-Token": {"headers": {"X-Access-Token": token}},
    }

    answer = stage.send("GET", "/me", **requests[location])

    assert_refused(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


# --- Revoked keys -------------------------------------------------------------------------------------------------


def change_password(stage: Stage, name: str) -> httpx2.Response:
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    return stage.send("POST", "/me/password", by=name, json=body)


def reset_password(stage: Stage, name: str) -> httpx2.Response:
    code = stage.send("POST", f"/users/{name}/password-reset", by="root").json()["code"]
    stage.stored(name)
    return stage.send("POST", "/password-reset", json={"code": code, "new_password": OTHER_PASSWORD})


def change_account(**changes: object) -> Callable[[Stage, str], httpx2.Response]:
    return lambda stage, name: stage.send("PATCH", f"/users/{name}", by="root", json=changes)


def deactivate_and_activate(stage: Stage, name: str) -> httpx2.Response:
    change_account(active=False)(stage, name)
    return change_account(active=True)(stage, name)


def delete_and_register_again(stage: Stage, name: str) -> httpx2.Response:
    deleted = stage.send("DELETE", f"/users/{name}", by="root")
    body = {"username": name.upper(), "email": f"{name}@example.com", "password": PASSWORD}
    assert_refused(stage.send("POST", "/register", json=body), 409, "username-taken")
    return deleted


REVOCATIONS: dict[str, Callable[[Stage, str], httpx2.Response]] = {
    "sign-out everywhere": lambda stage, name: stage.send("POST", "/logout-all", by=name),
    "password change": change_password,
    "password reset": reset_password,
    "role change by an admin": change_account(role="viewer"),
    "deactivation": change_account(active=False),
    "deactivation and activation": deactivate_and_activate,
    "deletion by an admin": lambda stage, name: stage.send("DELETE", f"/users/{name}", by="root"),
    "deletion by the user": lambda stage, name: stage.send(
        "DELETE", "/me", by=name, json={"current_password": PASSWORD}
    ),
    "deletion and an attempt to register the name again": delete_and_register_again,
}


@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_tokens_of_the_previous_key_are_refused_after(
    stage: Stage, revoke: Callable[[Stage, str], httpx2.Response]
) -> None:
    name = stage.account()
    token, key = stage.tokens[name], stage.key(name)
    assert stage.with_token(token).status_code == 200

    assert revoke(stage, name).is_success

    for revoked in (token, forge(valid_claims(name), key), forge(valid_claims(name, iat=0), key)):
        answer = stage.with_token(revoked)
        assert_refused(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == INVALID_TOKEN
        assert_refused(stage.send("POST", "/renew", headers={"Authorization": f"Bearer {revoked}"}), 401)


def test_a_token_signed_with_the_key_of_an_inactive_user_is_refused(stage: Stage) -> None:
    name = stage.account()
    assert change_account(active=False)(stage, name).status_code == 200

    assert_refused(stage.with_token(forge(valid_claims(name), stage.key(name))), 401, "unauthenticated")


def test_an_account_without_a_key_accepts_no_token(stage: Stage) -> None:
    name = stage.account()
    stage.database.users.update_one({"username": name}, {"$set": {"secret_key": ""}})

    answer = stage.with_token(forge(valid_claims(name), ""))

    stage.database.users.delete_one({"username": name})
    assert_refused(answer, 401, "unauthenticated")


def test_an_inactive_user_gets_the_same_response_as_an_unknown_one(stage: Stage) -> None:
    name = stage.account()
    assert change_account(active=False)(stage, name).status_code == 200
    attempts = [(name, PASSWORD), (name, WRONG_PASSWORD), ("nobody", PASSWORD), ("alice", WRONG_PASSWORD)]

    answers = [stage.login(*attempt, **{"X-Request-ID": "same"}) for attempt in attempts]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("reason", ["used", "expired", "replaced", "password changed", "wrong", "hash"])
def test_a_one_time_code_is_valid_once_and_for_an_hour(stage: Stage, reason: str) -> None:
    name = stage.account()
    code = stage.send("POST", f"/users/{name}/password-reset", by="root").json()["code"]
    body = {"code": code, "new_password": OTHER_PASSWORD}
    match reason:
        case "used":
            assert stage.send("POST", "/password-reset", json=body).status_code == 204
        case "expired":
            past = {"$set": {"reset_expires_at": stage.stored(name)["created_at"]}}
            stage.database.users.update_one({"username": name}, past)
        case "replaced":
            assert stage.send("POST", f"/users/{name}/password-reset", by="root").status_code == 200
        case "password changed":
            assert change_password(stage, name).status_code == 200
        case "wrong":
            body["code"] = code[::-1]
        case "hash":
            body["code"] = stage.stored(name)["reset_hash"]
    before = stage.accounts()

    assert_refused(stage.send("POST", "/password-reset", json=body), 422, "invalid-request")

    assert stage.accounts() == before


# --- Permissions --------------------------------------------------------------------------------------------------

STUDENT = {"roll_no": "S1", "name": "Ada", "branch": "CS", "marks": {}}

FORBIDDEN = [
    ("viewer", "POST", "/students", STUDENT),
    ("viewer", "PUT", "/students/S1", STUDENT),
    ("viewer", "DELETE", "/students/S1", None),
    *[
        (role, method, path, body)
        for role in ("alice", "viewer")
        for method, path, body in (
            ("GET", "/users", None),
            ("GET", "/users/root", None),
            ("PATCH", "/users/root", {"active": False}),
            ("PATCH", "/users/{sender}", {"role": "admin"}),
            ("DELETE", "/users/root", None),
            ("POST", "/users/root/password-reset", None),
            ("GET", "/auth-events", None),
        )
    ],
]


@pytest.mark.parametrize(("sender", "method", "path", "body"), FORBIDDEN)
def test_an_operation_that_needs_a_higher_role_is_403(
    stage: Stage, sender: str, method: str, path: str, body: object
) -> None:
    before = stage.accounts()

    answer = stage.send(method, path.format(sender=sender), by=sender, json=body)

    required = "teacher" if path.startswith("/students") else "admin"
    assert_refused(answer, 403, "forbidden")
    assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{required}"'
    assert stage.accounts() == before


@pytest.mark.parametrize(("method", "path"), sorted({(method, path) for _, method, path, _ in FORBIDDEN}))
def test_operations_that_need_a_role_are_401_without_a_token(stage: Stage, method: str, path: str) -> None:
    answer = stage.send(method, path.format(sender="alice"), content=b"{", headers=JSON)

    assert_refused(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_viewer_can_read(stage: Stage) -> None:
    assert stage.send("GET", "/students", by="viewer").status_code == 200


@pytest.mark.parametrize("extra", [{"scope": "admin"}, {"scope": "admin teacher viewer"}, {"role": "admin"}], ids=repr)
def test_a_role_cannot_be_requested_at_sign_in(stage: Stage, extra: dict[str, str]) -> None:
    answer = stage.send("POST", "/login", data={"username": "viewer", "password": PASSWORD, **extra})

    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    token = answer.json()["access_token"]
    assert_refused(stage.with_token(token, "/users"), 403, "forbidden")
    assert stage.with_token(token, "/me").json()["role"] == "viewer"


# --- Bodies -------------------------------------------------------------------------------------------------------


class Attack(NamedTuple):
    """A request that must be refused and change no account."""

    status: int
    method: str
    path: str
    request: dict[str, Any]
    by: str | None = None
    problem: str = ""
    pointer: str = ""


def json_body(body: object) -> dict[str, Any]:
    """Return options for a JSON body in ASCII, which can contain what UTF-8 cannot. Bytes are sent unchanged."""
    return {"content": body if isinstance(body, bytes) else json.dumps(body).encode(), "headers": JSON}


def form_body(form: bytes | str) -> dict[str, Any]:
    return {"content": form, "headers": FORM}


def registration(**changes: object) -> dict[str, Any]:
    return json_body({"username": "mallory", "email": "mallory@example.com", "password": PASSWORD, **changes})


def invalid(method: str, path: str, body: object, pointer: str, by: str | None = None) -> Attack:
    request = body if isinstance(body, dict) and "content" in body else json_body(body)
    return Attack(422, method, path, request, by, "invalid-request", pointer)


def invalid_registration(pointer: str, **changes: object) -> Attack:
    return invalid("POST", "/register", registration(**changes), pointer)


PRIVILEGED_FIELDS = {
    "role": "admin",
    "secret_key": "0" * 64,
    "active": True,
    "_id": "0" * 24,
    "password_hash": "x",
    "is_admin": True,
    "$set": {"role": "admin"},
    "__proto__": {"role": "admin"},
}

LOOKALIKES = {
    "a Cyrillic a": "\u0430lice",
    "a dotless i": "al\u0131ce",
    "a capital I with a dot": "AL\u0130CE",
    "a ligature": "\ufb01ona",
    "a long s": "ro\u017fe",
    "a combining accent": "alice\u0301",
    "a precomposed accent": "alic\u00e9",
    "mathematical letters": "\U0001d41alice",
    "a superscript digit": "alice\u00b9",
    "an Arabic digit": "alice\u0661",
    "a zero-width joiner": "al\u200dice",
    "a soft hyphen": "al\u00adice",
    "a right-to-left override": "\u202eecila",
    "a space": "al ice",
    "a line feed": "al\nice",
    "a NUL": "alice\0",
    "a lone surrogate": "alice\ud800",
}

SAME_NAMES = {
    **{variant: variant for variant in ("ALICE", "aLICE", "alicE")},
    "full-width letters": "\uff41\uff4c\uff49\uff43\uff45",
    "one full-width letter": "alic\uff45",
    "a non-breaking space at the end": "alice\u00a0",
    "a space at the end": "alice ",
    "a line feed at the end": "alice\n",
}

BAD_PASSWORDS = {
    "of 73 bytes": "p4ssW-" * 12 + "x",
    "of 73 bytes in 37 letters": "\u00e9" * 36 + "x",
    "of 19 emoji": "\U0001f511\U0001f418\U0001f33b\U0001f3b7\U0001fa81" * 4,
    "of 10 KB": "Quittenbrot" * 900,
    "with NUL": "Quitten\0brot-7-Fjord",
    "of NULs": "\0" * 12,
    "of spaces": " " * 24,
    "of one repeated emoji": "\U0001f600" * 12,
    "of a lone surrogate": "Quittenbrot\ud800-7-Fjord",
    "that is common": "password1",
    "that is the e-mail address": "mallory@example.com",
}

DEEP = b"[" * 100_000
LARGE = json.dumps({"username": "x" * 1_000_001}).encode()

ATTACKS: dict[str, Attack] = {
    **{
        f"{name} on /register": invalid_registration(f"#/{name}", **{name: value})
        for name, value in PRIVILEGED_FIELDS.items()
    },
    **{
        f"{name} on PATCH /me": invalid(
            "PATCH",
            "/me",
            {"email": "new@example.com", "current_password": PASSWORD, name: value},
            f"#/{name}",
            by="alice",
        )
        for name, value in {
            **PRIVILEGED_FIELDS,
            "username": "root",
            "password": OTHER_PASSWORD,
            "email_key": "x",
        }.items()
    },
    **{
        f"{name} on PATCH /users/alice": invalid(
            "PATCH", "/users/alice", {"role": "viewer", name: value}, f"#/{name}", by="root"
        )
        for name, value in {"secret_key": "0" * 64, "_id": "0", "username": "x", "password": PASSWORD}.items()
    },
    "an unknown role": invalid("PATCH", "/users/alice", {"role": "superuser"}, "#/role", by="root"),
    "a list of roles": invalid("PATCH", "/users/alice", {"role": ["admin"]}, "#/role", by="root"),
    "an operator as role": invalid("PATCH", "/users/alice", {"role": OPERATOR}, "#/role", by="root"),
    "an operator as active": invalid("PATCH", "/users/alice", {"active": {"$ne": False}}, "#/active", by="root"),
    **{
        f"an operator as {name} on /register": invalid_registration(f"#/{name}", **{name: OPERATOR})
        for name in ("username", "email", "password")
    },
    "a regular expression as username": invalid_registration("#/username", username={"$regex": ".*"}),
    "an operator as email on PATCH /me": invalid("PATCH", "/me", {"email": OPERATOR}, "#/email", by="alice"),
    "an operator as current password": invalid(
        "POST",
        "/me/password",
        {"current_password": OPERATOR, "new_password": OTHER_PASSWORD},
        "#/current_password",
        by="alice",
    ),
    "an operator as code": invalid(
        "POST", "/password-reset", {"code": OPERATOR, "new_password": OTHER_PASSWORD}, "#/code"
    ),
    "null as code": invalid("POST", "/password-reset", {"code": None, "new_password": OTHER_PASSWORD}, "#/code"),
    "an empty code": invalid("POST", "/password-reset", {"code": "", "new_password": OTHER_PASSWORD}, "#/code"),
    "a code with a lone surrogate": invalid(
        "POST", "/password-reset", {"code": "\ud800" * 20, "new_password": OTHER_PASSWORD}, "#/code"
    ),
    "an operator in a form, as name": Attack(
        401, "POST", "/login", {"data": {"username": json.dumps(OPERATOR), "password": PASSWORD}}
    ),
    "an operator in a form, as password": Attack(
        401, "POST", "/login", {"data": {"username": "alice", "password": '{"$ne": "Wacholder"}'}}
    ),
    "an operator in a form, in PHP syntax": Attack(422, "POST", "/login", form_body("username[$ne]=&password[$ne]=")),
    "an operator for the password alone": Attack(422, "POST", "/login", form_body("username=alice&password[$ne]=")),
    "a sign-in as JSON": Attack(415, "POST", "/login", json_body({"username": OPERATOR, "password": OPERATOR})),
    "a wildcard as name": Attack(401, "POST", "/login", {"data": {"username": "al*", "password": PASSWORD}}),
    "a list as name": Attack(401, "POST", "/login", {"data": {"username": "alice,bob", "password": WRONG_PASSWORD}}),
    "two names in a form, the last one unknown": Attack(
        400, "POST", "/login", form_body(f"username=alice&username=nobody&password={PASSWORD}")
    ),
    "an operator in the query": Attack(422, "GET", "/auth-events?username[$ne]=x", {}, "root"),
    "an operator as value in the query": Attack(
        422, "GET", "/auth-events?username=" + quote(json.dumps(OPERATOR)), {}, "root"
    ),
    "an operator as event": Attack(422, "GET", "/auth-events?event=" + quote(json.dumps(OPERATOR)), {}, "root"),
    "an operator as cursor": Attack(422, "GET", "/users?cursor=" + quote(json.dumps(OPERATOR)), {}, "root"),
    "an operator in the path": Attack(422, "DELETE", "/users/" + quote(json.dumps(OPERATOR)), {}, "root"),
    "a NUL in the path": Attack(422, "GET", "/users/alice%00", {}, "root"),
    "bytes that are not UTF-8 in the path": Attack(422, "GET", "/users/alice%ff", {}, "root"),
    **{
        f"{name} in a user name": invalid_registration("#/username", username=lookalike)
        for name, lookalike in LOOKALIKES.items()
    },
    **{
        f"the same name with {name}": Attack(
            409, "POST", "/register", registration(username=same), None, "username-taken", "#/username"
        )
        for name, same in SAME_NAMES.items()
    },
    "a case variant of an e-mail address": Attack(
        409, "POST", "/register", registration(email="ALICE@Example.COM"), None, "email-taken", "#/email"
    ),
    "another user's e-mail address on PATCH /me": Attack(
        409,
        "PATCH",
        "/me",
        json_body({"email": "Bob@example.com", "current_password": PASSWORD}),
        "alice",
        "email-taken",
        "#/email",
    ),
    **{
        f"a sign-in with {name} in the name": Attack(
            401, "POST", "/login", {"data": {"username": lookalike, "password": PASSWORD}}
        )
        for name, lookalike in LOOKALIKES.items()
        if "\ud800" not in lookalike
    },
    **{f"a password {name}": invalid_registration("#/password", password=bad) for name, bad in BAD_PASSWORDS.items()},
    **{
        f"a new password {name}": invalid(
            "POST", "/me/password", {"current_password": PASSWORD, "new_password": bad}, "#/new_password", by="alice"
        )
        for name, bad in BAD_PASSWORDS.items()
        if name != "that is the e-mail address"
    },
    "a sign-in with 73 bytes of password": Attack(
        401, "POST", "/login", {"data": {"username": "alice", "password": BAD_PASSWORDS["of 73 bytes"]}}
    ),
    "a sign-in with NUL after the password": Attack(
        401, "POST", "/login", form_body(f"username=alice&password={PASSWORD}%00")
    ),
    "a sign-in with a surrogate after the password": Attack(
        401, "POST", "/login", form_body(f"username=alice&password={PASSWORD}%ED%A0%80")
    ),
    "a sign-in with the password in another case": Attack(
        401, "POST", "/login", {"data": {"username": "alice", "password": PASSWORD.upper()}}
    ),
    "a sign-in with a Unicode variant of the password": Attack(
        401, "POST", "/login", {"data": {"username": "alice", "password": PASSWORD.replace("7", "\uff17")}}
    ),
    "a sign-in without a password": Attack(422, "POST", "/login", form_body("username=alice&password=")),
    "an unsupported grant type": Attack(
        422, "POST", "/login", form_body(f"grant_type=client_credentials&username=alice&password={PASSWORD}")
    ),
    **{
        f"more than 1 MB to {method} {path}": Attack(413, method, path, {"content": LARGE, "headers": media}, by)
        for method, path, media, by in (
            ("POST", "/register", JSON, None),
            ("POST", "/login", FORM, None),
            ("POST", "/password-reset", JSON, None),
            ("PATCH", "/me", JSON, "alice"),
            ("PATCH", "/users/alice", JSON, "root"),
        )
    },
    "deep lists": Attack(400, "POST", "/register", json_body(DEEP)),
    "deep objects": Attack(400, "POST", "/register", json_body(b'{"username":' * 50_000)),
    "deep lists that are closed": invalid("POST", "/register", json_body(b"[" * 500 + b"]" * 500), "#"),
    "a deep list as username": invalid(
        "POST", "/register", registration(username=json.loads("[" * 500 + "]" * 500)), "#/username"
    ),
    "deep lists to PATCH /me": Attack(400, "PATCH", "/me", json_body(DEEP), "alice"),
    "a number of 5000 digits": Attack(400, "POST", "/register", json_body(b'{"username": ' + b"9" * 5000 + b"}")),
    "NaN as username": invalid_registration("#/username", username=float("nan")),
    "JSON that is not UTF-8": Attack(400, "POST", "/register", json_body(b'{"username": "\xff"}')),
    "JSON that is cut off": Attack(422, "POST", "/register", json_body(b'{"username": "mallory"')),
    "JSON declared as text": Attack(
        415, "POST", "/register", {"content": registration()["content"], "headers": {"Content-Type": "text/plain"}}
    ),
    "a list of registrations": invalid("POST", "/register", json_body(b"[{}]"), "#"),
    "fifty thousand fields": invalid("POST", "/register", {f"x{number}": 1 for number in range(50_000)}, "#"),
    "an active value that is not a boolean": invalid("PATCH", "/users/alice", {"active": 0}, "#/active", by="root"),
    "a duplicate role whose last value is invalid": invalid(
        "PATCH", "/users/alice", json_body(b'{"role": "viewer", "role": "superuser"}'), "#/role", by="root"
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_hostile_request_is_refused_and_changes_no_account(stage: Stage, attack: Attack) -> None:
    before = stage.accounts()

    answer = stage.send(attack.method, attack.path, by=attack.by, **attack.request)

    assert_refused(answer, attack.status, attack.problem)
    if attack.pointer:
        assert attack.pointer in [error.get("pointer") for error in answer.json()["errors"]]
    assert stage.accounts() == before


@pytest.mark.parametrize(
    "password",
    [
        "\U0001f511\U0001f418\U0001f33b\U0001f3b7\U0001fa81\U0001f6b2\U0001f34b\U0001f388\U0001f98a",
        "Fjord 7 am Quitten",
    ],
    ids=["emoji", "words with spaces"],
)
def test_a_strong_password_may_contain_any_characters(stage: Stage, password: str) -> None:
    name = f"someone{next(stage.numbers)}"
    body = {"username": name, "email": f"{name}@example.com", "password": password}

    assert stage.send("POST", "/register", json=body).status_code == 201
    assert stage.login(name, password).status_code == 200
    assert_refused(stage.login(name, password[:-1]), 401)


def test_the_last_value_of_a_duplicate_json_key_counts(stage: Stage) -> None:
    body = b'{"username": "root", "username": "twice", "email": "twice@example.com", "password": "%s"}'

    answer = stage.send("POST", "/register", **json_body(body % PASSWORD.encode()))

    assert answer.status_code == 201
    assert answer.json()["username"] == "twice"


def test_a_repeated_username_in_a_form_is_refused(stage: Stage) -> None:
    answer = stage.send("POST", "/login", **form_body(f"username=root&username=alice&password={PASSWORD}"))

    assert_refused(answer, 400, "bad-request")
    assert answer.json()["error"] == "invalid_request"


CASE_VARIANTS = ["".join(letters) for letters in product(*("qQ", "uU", "iI", "lL", "lL"))]


@pytest.mark.parametrize(
    "names_and_emails",
    [
        [("racing", "racing@example.com")] * 20,
        [(name, f"{number}@example.com") for number, name in enumerate(CASE_VARIANTS[:20])],
        [(f"runner{number}", f"{name}@example.com") for number, name in enumerate(CASE_VARIANTS[:20])],
    ],
    ids=["the same", "case variants of a name", "case variants of an e-mail address"],
)
def test_one_of_twenty_concurrent_registrations_succeeds(stage: Stage, names_and_emails: list[tuple[str, str]]) -> None:
    bodies = [{"username": name, "email": email, "password": PASSWORD} for name, email in names_and_emails]
    before = stage.database.users.count_documents({})

    def register(body: dict[str, str]) -> int:
        """Register, and retry while the hashing queue is full: on a slow machine, twenty requests may fill it."""
        while (answer := stage.send("POST", "/register", json=body)).status_code == 429:
            assert answer.json()["detail"] == "Too many concurrent attempts from this address."
        return answer.status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(register, bodies))

    assert sorted(statuses) == [201] + [409] * 19
    assert stage.database.users.count_documents({}) == before + 1


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP"])
def test_without_trusted_proxies_no_header_changes_the_client_address(stage: Stage, header: str) -> None:
    name = stage.account()
    failed_before = list(stage.database.login_failures.find())
    for last in range(3):
        value = f"for=192.0.2.{last}" if header == "Forwarded" else f"192.0.2.{last}"
        assert_refused(stage.login(name, WRONG_PASSWORD, **{header: value}), 401, "wrong-credentials")

    events = list(stage.database.auth_events.find({"whom": name, "event": "sign_in_failed"}))
    assert [event["address"] for event in events] == ["127.0.0.1"] * 3
    # Two new counters have the account's three failures. The address's counter may be new or from an earlier test.
    counters = {counter["_id"] for counter in failed_before}
    new = [counter["failures"] for counter in stage.database.login_failures.find() if counter["_id"] not in counters]
    assert new.count(3) >= 2
    assert len(new) <= 3


# --- Secrets in responses, logs and the database ------------------------------------------------------------------


@cache
def spellings(secret: str) -> set[str]:
    """Return the forms in which a secret may appear in text, in JSON, in a URL or in a traceback."""
    quoted = quote(secret.encode(errors="surrogatepass"))
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1], quoted}


def secrets_in(stage: Stage, text: str, issued: Sequence[str] = ()) -> list[str]:
    allowed = {part for token in issued for part in (token, *token.split("."))}
    return [word for word in stage.secrets - allowed if any(spelling in text for spelling in spellings(word))]


def check_answers(stage: Stage) -> None:
    for answer in stage.answers:
        assert answer.status_code < 500, answer.request.url.path
        check_text(stage, f"{answer.headers.multi_items()} {answer.text}", issued_secrets(answer))
        if issued_secrets(answer):
            assert answer.headers["Cache-Control"] == "no-store"


def check_text(stage: Stage, text: str, issued: Sequence[str] = ()) -> None:
    assert secrets_in(stage, text, issued) == []
    assert not re.search(r"\$2[aby]\$\d\d\$", text)
    assert "Traceback" not in text


def test_stored_events_and_counters_contain_no_secrets(stage: Stage) -> None:
    name = stage.account()
    stage.login(name, WRONG_PASSWORD)
    stage.login(PASSWORD, WRONG_PASSWORD)  # typed into the wrong field
    stage.with_token(forge(valid_claims(name), "attacker"))
    assert change_password(stage, name).status_code == 200
    assert reset_password(stage, name).status_code == 204
    rows = [row for collection in ("auth_events", "login_failures") for row in stage.database[collection].find()]
    stage.accounts()

    assert {"sign_in_failed", "password_changed", "reset_finished"} <= {row.get("event") for row in rows}
    assert any("failures" in row for row in rows)
    check_text(stage, "\n".join(map(str, rows)))


def test_the_searched_logs_contain_the_requests(stage: Stage) -> None:
    name = f"absent-{next(stage.numbers)}"
    stage.send("GET", f"/users/{name}", by="root", headers={"X-Request-ID": name})

    until(lambda: name in (stage.server.log.parent / "server.log").read_text())
    assert (stage.server.log.parent / "data/mongod.log").stat().st_size > 0
