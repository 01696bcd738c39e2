"""Tests of requests that are sent again with the same `Idempotency-Key`, on a real MongoDB."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import httpx2
import pytest
from bson import encode
from fastapi import Form, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from core.clock import utc_now
from core.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from core.identity import Principal, Role, at_least
from core.module import Module
from core.routing import ProtectedRouter, UncachedRoute, forget_responses, used_keys
from core.routing.idempotency import MAX_BODY_BYTES
from core.settings import Settings
from tests.conftest import AppClient

Json = dict[str, Any]
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


class Ticket(BaseModel):
    text: str


class Desk:
    """What the routes of the example module share: the users by token, the tickets that were issued, and the answer."""

    def __init__(self) -> None:
        self.people = {name: Principal(name, Role.TEACHER, id=name * 12) for name in ("al", "bo")}
        self.issued: list[str] = []
        self.answer: Callable[[], Awaitable[Response]] = self.created

    async def created(self) -> Response:
        number = len(self.issued)
        headers = {"Location": f"/tickets/{number}", "ETag": f'"{number}"', "X-Queue": "short"}
        return JSONResponse({"number": number, "text": self.issued[-1]}, 201, headers)

    def fail(self, error: Exception) -> None:
        async def answer() -> Response:
            raise error

        self.answer = answer

    async def authenticate(self, token: str) -> Principal:
        if token not in self.people:
            raise Unauthenticated(error="invalid_token")
        return self.people[token]

    def module(self) -> Module:
        router = ProtectedRouter()
        accounts = ProtectedRouter(route_class=UncachedRoute)
        teacher = at_least(Role.TEACHER)

        async def issue(ticket: Ticket, urgent: bool = False) -> Response:
            self.issued.append(ticket.text)
            return await self.answer()

        async def issue_other(name: str, ticket: Ticket) -> Response:
            return await issue(ticket)

        async def issue_by_form(text: Annotated[str, Form()]) -> Response:
            return await issue(Ticket(text=text))

        router.post("/tickets", dependencies=[teacher])(issue)
        router.post("/others/{name}", dependencies=[teacher])(issue_other)
        router.post("/forms")(issue_by_form)
        accounts.post("/codes")(issue)
        accounts.post("/passwords")(issue)
        router.include_router(accounts)
        return Module(name="desk", router=router, authenticator=self.authenticate)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def client(open_client: AppClient, desk: Desk) -> TestClient:
    return open_client(modules=[desk.module()])


@pytest.fixture
def keys(mongodb: MongoClient[Json], settings: Settings) -> Collection[Json]:
    """Return the collection of the used keys."""
    return mongodb[settings.mongodb_database]["idempotency_keys"]


def post(
    client: TestClient,
    text: str = "hello",
    *,
    path: str = "/tickets",
    token: str = "al",
    key: str | None = KEY,
    **more: str,
) -> httpx2.Response:
    """Send a POST. `more` has other headers."""
    headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key is not None else {}), **more}
    return client.post(path, json={"text": text}, headers=headers)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


REUSED = (422, "/problems/key-reused")
IN_PROGRESS = (409, "/problems/request-in-progress")
NOT_KEPT = (409, "/problems/response-not-kept")


def test_a_repeated_request_is_carried_out_once_and_has_the_same_response(client: TestClient, desk: Desk) -> None:
    first, again = post(client), post(client)

    assert (
        (again.status_code, again.content)
        == (first.status_code, first.content)
        == (201, b'{"number":1,"text":"hello"}')
    )
    for name in ("Location", "ETag", "X-Queue", "Content-Type", "Content-Length", "Cache-Control"):
        assert again.headers[name] == first.headers[name], name
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert desk.issued == ["hello"]


def test_a_response_without_a_body_is_repeated(client: TestClient, desk: Desk) -> None:
    async def nothing() -> Response:
        return Response(status_code=204)

    desk.answer = nothing

    answers = [post(client), post(client)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    assert desk.issued == ["hello"]


def test_a_form_is_read_after_its_fingerprint_is_taken(client: TestClient, desk: Desk) -> None:
    headers = {"Authorization": "Bearer al", "Idempotency-Key": KEY}

    for form in ({"data": {"text": "hello"}}, {"files": {"text": (None, "hallo")}}):
        desk.issued.clear()
        answer = client.post("/forms", headers=headers | {"Idempotency-Key": str(form)}, **form)
        assert (answer.status_code, len(desk.issued)) == (201, 1)
    data = {"text": "hello"}
    first, again = (client.post("/forms", data=data, headers=headers) for _ in range(2))
    assert (again.status_code, again.content) == (201, first.content)
    assert problem(client.post("/forms", data={"text": "hallo"}, headers=headers)) == REUSED


def test_requests_without_a_key_are_carried_out_each_time_and_store_nothing(
    client: TestClient, desk: Desk, keys: Collection[Json]
) -> None:
    assert [post(client, key=None).json()["number"] for _ in range(2)] == [1, 2]
    assert keys.count_documents({}) == 0


def test_another_key_is_another_request(client: TestClient, desk: Desk) -> None:
    assert [post(client, key=key).json()["number"] for key in ("a", "b", "a")] == [1, 2, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"text": "hallo"},
        {"path": "/tickets?urgent=true"},
        {"path": "/others/x"},
        {"path": "/codes"},
        {"If-Match": '"1"'},
        {"If-None-Match": "*"},
    ],
    ids=str,
)
def test_a_key_is_refused_for_another_request(client: TestClient, desk: Desk, other: dict[str, str]) -> None:
    assert post(client).status_code == 201

    assert problem(post(client, **other)) == REUSED
    assert desk.issued == ["hello"]
    assert post(client, key=None, **other).status_code == 201


def test_the_path_parameters_belong_to_the_request(client: TestClient, desk: Desk) -> None:
    assert post(client, path="/others/x").status_code == 201
    assert problem(post(client, path="/others/y")) == REUSED
    assert post(client, path="/others/x").json()["number"] == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "\u00e9", "a\tb"])
def test_an_invalid_key_is_refused_before_anything_is_done(client: TestClient, desk: Desk, key: str) -> None:
    headers = [("Authorization", "Bearer al"), ("Idempotency-Key", key.encode("latin-1"))]
    answer = client.post("/tickets", json={"text": "hello"}, headers=headers)  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "Idempotency-Key")
    assert desk.issued == []


def test_two_keys_are_refused(client: TestClient, desk: Desk) -> None:
    headers = [("Authorization", "Bearer al"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = client.post("/tickets", json={"text": "hello"}, headers=headers)

    assert (answer.status_code, desk.issued) == (422, [])


def test_a_quoted_key_of_the_longest_length_is_accepted(client: TestClient) -> None:
    assert post(client, key=f'"{"x" * 198}"').status_code == 201


# Several requests at once, and processes that die.


async def send(client: TestClient, text: str = "hello") -> httpx2.Response:
    """Send a POST with the key. Call this in the event loop of the app."""
    transport = httpx2.ASGITransport(app=client.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as sender:
        headers = {"Authorization": "Bearer al", "Idempotency-Key": KEY}
        return await sender.post("/tickets", json={"text": text}, headers=headers)


class Gate:
    """Holds a request up in the route's function."""

    def __init__(self, desk: Desk) -> None:
        self.entered, self.opened = asyncio.Event(), asyncio.Event()
        self.desk = desk
        desk.answer = self.answer

    async def answer(self) -> Response:
        self.entered.set()
        await self.opened.wait()
        return await self.desk.created()


def in_app(client: TestClient, work: Callable[[], Awaitable[Any]]) -> Any:
    assert client.portal
    return client.portal.call(work)


def test_a_request_is_refused_while_the_same_one_is_under_way(client: TestClient, desk: Desk) -> None:
    async def both() -> list[httpx2.Response]:
        gate = Gate(desk)
        first = asyncio.create_task(send(client))
        await gate.entered.wait()
        second, other = await send(client), await send(client, "hallo")
        gate.opened.set()
        return [await first, second, other, await send(client)]

    first, second, other, last = in_app(client, both)

    assert problem(second) == IN_PROGRESS
    assert second.headers["Retry-After"] == "1"
    assert problem(other) == REUSED
    assert (first.status_code, last.content) == (201, first.content)
    assert desk.issued == ["hello"]


def test_one_of_many_simultaneous_requests_is_carried_out(client: TestClient, desk: Desk) -> None:
    async def together() -> list[httpx2.Response]:
        return await asyncio.gather(*(send(client) for _ in range(20)))

    answers = in_app(client, together)

    assert desk.issued == ["hello"]
    assert {answer.content for answer in answers if answer.status_code != 409} == {b'{"number":1,"text":"hello"}'}
    assert {problem(answer) for answer in answers if answer.status_code == 409} <= {IN_PROGRESS}


def test_another_worker_repeats_the_response(client: TestClient, desk: Desk, open_client: AppClient) -> None:
    first = post(client)

    other = open_client(modules=[desk.module()], max_body_bytes=5_000)

    assert other.app is not client.app
    assert post(other).content == first.content
    assert desk.issued == ["hello"]


def claim_of(keys: Collection[Json], ends_in: timedelta) -> None:
    """Change the used key to look like the claim of a process that died."""
    claimed = {"claimed_by": "another process", "expires_at": utc_now() + ends_in}
    assert keys.update_one({}, {"$set": claimed, "$unset": {"response": ""}}).modified_count == 1


def test_the_claim_of_a_dead_process_ends_soon(client: TestClient, desk: Desk, keys: Collection[Json]) -> None:
    post(client)

    claim_of(keys, timedelta(seconds=5))
    assert problem(post(client)) == IN_PROGRESS
    claim_of(keys, timedelta(0))
    assert [post(client).json()["number"] for _ in range(2)] == [2, 2]

    assert desk.issued == ["hello", "hello"]


def test_a_process_that_lost_its_claim_does_not_replace_the_response(
    client: TestClient, desk: Desk, keys: Collection[Json]
) -> None:
    async def answer() -> Response:
        if len(desk.issued) == 1:  # the first request is held up for so long that its claim expires
            keys.update_one({}, {"$set": {"expires_at": utc_now()}})
            await send(client)
            return JSONResponse("late")
        return await desk.created()

    desk.answer = answer
    assert in_app(client, lambda: send(client)).json() == "late"

    assert desk.issued == ["hello", "hello"]
    assert post(client).json() == {"number": 2, "text": "hello"}


def test_a_long_request_renews_its_claim(
    client: TestClient, desk: Desk, keys: Collection[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_keys, "RENEW_SECONDS", 0.01)

    def ends_at() -> datetime:
        claim = keys.find_one({})
        assert claim
        end: datetime = claim["expires_at"]
        return end

    async def work() -> None:
        gate = Gate(desk)
        first = asyncio.create_task(send(client))
        await gate.entered.wait()
        at_first = ends_at()
        assert at_first <= utc_now() + used_keys.CLAIM_LIFETIME
        async with asyncio.timeout(10):
            while ends_at() <= at_first:  # noqa: ASYNC110 (no event signals a renewal)
                await asyncio.sleep(0.01)
        gate.opened.set()
        assert (await first).status_code == 201

    in_app(client, work)


# Accounts and their rights.


def test_accounts_may_have_the_same_key(client: TestClient, desk: Desk) -> None:
    first, other = post(client), post(client, "hallo", token="bo")

    assert (first.json()["text"], other.json()["text"]) == ("hello", "hallo")
    assert post(client, token="al").json() == first.json()
    assert desk.issued == ["hello", "hallo"]


def test_nothing_is_repeated_after_the_rights_have_ended(client: TestClient, desk: Desk) -> None:
    assert post(client).status_code == 201

    desk.people["al"] = Principal("al", Role.VIEWER, id="al" * 12)
    assert post(client).status_code == 403
    del desk.people["al"]
    assert post(client).status_code == 401


def test_nothing_is_repeated_if_the_rights_end_while_the_body_arrives(client: TestClient, desk: Desk) -> None:
    assert post(client).status_code == 201
    calls = Counter[str]()

    async def authenticate(token: str) -> Principal:
        calls[token] += 1
        return Principal("al", Role.TEACHER if calls[token] == 1 else Role.VIEWER, id="al" * 12)

    app: Any = client.app
    app.state.authenticator, before = authenticate, app.state.authenticator
    try:
        assert post(client).status_code == 403
    finally:
        app.state.authenticator = before


def test_a_response_is_not_repeated_for_another_role(client: TestClient, desk: Desk) -> None:
    desk.people["al"] = Principal("al", Role.ADMIN, id="al" * 12)
    assert post(client).status_code == 201
    desk.people["al"] = Principal("al", Role.TEACHER, id="al" * 12)

    assert problem(post(client)) == REUSED
    assert desk.issued == ["hello"]


# Failures.


@pytest.mark.parametrize(
    "error",
    [
        NotFound("There is no desk."),
        Conflict("The desk is closed."),
        PreconditionFailed("The desk has changed.", etag='"2"'),
        InvalidRequest("The desk takes no such ticket."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_operation_is_repeated(client: TestClient, desk: Desk, error: Exception) -> None:
    desk.fail(error)
    first = post(client)
    desk.answer = desk.created

    again = post(client)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("ETag") == first.headers.get("ETag")
    assert desk.issued == ["hello"]


@pytest.mark.parametrize(
    "error",
    [
        Unauthenticated(error="invalid_token"),
        Forbidden("Not you.", role="admin"),
        TooManyRequests("Later.", retry_after=1),
        Unavailable("Later."),
        AutoReconnect("away"),
        RuntimeError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_after_any_other_error_the_request_can_be_repeated(
    client: TestClient, desk: Desk, keys: Collection[Json], error: Exception
) -> None:
    desk.fail(error)
    assert post(client).status_code >= 400
    assert keys.count_documents({}) == 0
    desk.answer = desk.created

    assert post(client).status_code == 201


def test_an_invalid_body_can_be_corrected_with_the_same_key(client: TestClient, desk: Desk) -> None:
    headers = {"Authorization": "Bearer al", "Idempotency-Key": KEY}
    for wrong in (b"{", b'{"text": 1}', b'"x"'):
        answer = client.post("/tickets", content=wrong, headers=headers | {"Content-Type": "application/json"})
        assert problem(answer) == (422, "/problems/invalid-request")

    assert post(client).status_code == 201


def test_a_body_above_the_limit_is_refused(open_client: AppClient, desk: Desk, keys: Collection[Json]) -> None:
    client = open_client(modules=[desk.module()], max_body_bytes=100)

    assert post(client, "x" * 100).status_code == 413
    assert keys.count_documents({}) == 0


def test_a_client_gets_the_response_even_if_it_cannot_be_stored(
    client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def lose(*_: object, **__: object) -> bool:
        raise AutoReconnect("away")

    monkeypatch.setattr(used_keys.UsedKey, "_update", lose)

    assert post(client).status_code == 201
    assert "was not stored: away" in caplog.text
    assert problem(post(client)) == IN_PROGRESS


# What is stored.


def test_a_key_is_kept_for_24_hours(client: TestClient, keys: Collection[Json]) -> None:
    before = utc_now()
    post(client)

    (stored,) = keys.find()

    assert timedelta(hours=24) <= stored["expires_at"] - before < timedelta(hours=24, minutes=1)
    assert keys.index_information()["expiry"]["expireAfterSeconds"] == 0
    assert stored["account"] == "al" * 12


def test_the_database_contains_no_key_and_no_body(client: TestClient, desk: Desk, keys: Collection[Json]) -> None:
    async def done() -> Response:
        return Response(status_code=204)

    desk.answer = done
    post(client, "secret words", key="the key")

    raw = b"".join(encode(document) for document in keys.find())

    assert raw
    assert [word for word in (b"the key", b"secret words", b"tickets") if word in raw] == []


def test_fingerprints_of_one_request_differ_by_key(client: TestClient, keys: Collection[Json]) -> None:
    for key in ("a", "b"):
        post(client, key=key)

    assert len(keys.distinct("fingerprint")) == 2


@pytest.mark.parametrize("path", ["/codes", "/passwords"])
def test_of_an_operation_on_accounts_only_the_use_of_the_key_is_stored(
    client: TestClient, desk: Desk, keys: Collection[Json], path: str
) -> None:
    first = post(client, "secret", path=path)

    assert first.json()["text"] == "secret"
    assert problem(post(client, "secret", path=path)) == NOT_KEPT
    assert desk.issued == ["secret"]
    (stored,) = keys.find()
    assert stored["response"] is None
    fingerprint = stored["fingerprint"]
    keys.delete_many({})
    post(client, "another secret", path=path)
    (stored,) = keys.find()
    assert stored["fingerprint"] == fingerprint, "it could be compared with guesses of a password"
    assert problem(post(client, path="/tickets")) == REUSED


@pytest.mark.parametrize("error", [NotFound("There is no such user."), Unavailable("Later.")])
def test_a_failed_operation_on_accounts_can_be_repeated(client: TestClient, desk: Desk, error: Exception) -> None:
    desk.fail(error)
    assert post(client, path="/codes").status_code >= 400
    desk.answer = desk.created

    assert post(client, path="/codes").status_code == 201


@pytest.mark.parametrize("kind", ["long", "stream"])
def test_a_response_that_is_not_kept_is_not_made_again(client: TestClient, desk: Desk, kind: str) -> None:
    async def answer() -> Response:
        return Response(b"x" * (MAX_BODY_BYTES + 1)) if kind == "long" else StreamingResponse(iter([b"x"]))

    desk.answer = answer

    assert post(client).status_code == 200
    assert problem(post(client)) == NOT_KEPT
    assert desk.issued == ["hello"]


def test_a_response_of_the_longest_size_is_kept(client: TestClient, desk: Desk) -> None:
    async def answer() -> Response:
        return Response(b"x" * MAX_BODY_BYTES)

    desk.answer = answer

    assert post(client).content == post(client).content == b"x" * MAX_BODY_BYTES


def test_only_the_latest_keys_of_an_account_are_kept(
    client: TestClient, desk: Desk, keys: Collection[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_keys, "MAX_OF_ACCOUNT", 3)
    monkeypatch.setattr(used_keys, "TRIM_EVERY", 1)
    post(client, token="bo", key="first")
    post(client, key="under way")
    keys.update_one({"account": "al" * 12}, {"$set": {"claimed_by": "another process"}})

    for number in range(10):
        post(client, key=str(number))

    assert keys.count_documents({"account": "al" * 12, "claimed_by": None}) <= 3
    assert keys.count_documents({"account": "al" * 12, "claimed_by": "another process"}) == 1
    assert keys.count_documents({"account": "bo" * 12}) == 1
    assert post(client, key="9").json()["number"] == 12


def test_forgotten_responses_are_neither_kept_nor_stored_later(client: TestClient, desk: Desk) -> None:
    async def erase() -> Response:
        await forget_responses()
        return await desk.created()

    before = post(client, key="before")
    desk.answer = erase
    meanwhile = post(client, key="meanwhile")
    desk.answer = desk.created

    assert (before.status_code, meanwhile.status_code) == (201, 201)
    for key in ("before", "meanwhile"):
        assert problem(post(client, key=key)) == NOT_KEPT
    assert len(desk.issued) == 2
    assert post(client, key="after").content == post(client, key="after").content
