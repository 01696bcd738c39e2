"""Send the documented examples of a module to an app that stores what they create, and search the responses.

No response may contain an internal field or an internal id.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from fastapi.testclient import TestClient
from httpx2 import Response
from pymongo.database import Database

from tests.apps import filled
from tests.contract.behaviour import address
from tests.contract.documentation import INTERNAL_FIELDS
from tests.contract.example_requests import RequestArguments, bodies_of, requests_of
from tests.contract.operations import Operation

INTERNAL_FIELD_WORD = re.compile(rf"(?<!\w)({'|'.join(sorted(INTERNAL_FIELDS))})(?!\w)")


@dataclass
class Session:
    """The requests to an app: the responses, the path parameters of what was created, and every `_id` that was stored.

    Only ObjectIds count: a module may use a key that it makes itself in any way.
    """

    client: TestClient
    database: Database[dict[str, Any]]
    answers: list[tuple[Operation, RequestArguments, Response]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    """The path parameters that lists have returned, for reads of what no route creates."""
    ids: set[str] = field(default_factory=set)
    public: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    """The ids that `learn_public` has asked for."""

    def send(self, operation: Operation, request: RequestArguments) -> None:
        """Send a request, and remember the path parameters of what it created."""
        answer = self.client.request(operation.method, address(operation, **self._names(operation)), **request)
        self.answers.append((operation, request, answer))
        self._learn_names(operation, answer.headers.get("Location", ""))
        if answer.headers.get("Content-Type") == "application/json" and isinstance(answer.json(), list):
            self.listed |= {
                name: text
                for item in answer.json()
                if isinstance(item, dict)
                for name, text in item.items()
                if isinstance(text, str)
            }
        if operation.method != "GET":
            self._learn_ids()

    def _names(self, operation: Operation) -> dict[str, str]:
        known = self.listed | self.names if operation.method == "GET" else self.names
        return {one["name"]: known[one["name"]] for one in operation.parameters if one["name"] in known}

    def _learn_names(self, operation: Operation, location: str) -> None:
        for template in operation.document["paths"]:
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if location and (found := re.fullmatch(pattern, location)):
                self.names |= found.groupdict()

    def _learn_ids(self) -> None:
        for name in filled(self.database):
            found = self.database[name].distinct("_id")
            self.ids |= {str(one) for one in found if isinstance(one, ObjectId)}

    def of_operation(self, operation: Operation) -> list[tuple[RequestArguments, Response]]:
        """Return the requests to an operation, each with the response."""
        return [(sent, answer) for asked, sent, answer in self.answers if str(asked) == str(operation)]

    def learn_public(self, operations: Sequence[Operation]) -> None:
        """Remember each `_id` that is the public name of a document.

        It is one if a documented path ends with an ObjectId, as its example shows, and returns a document for this id.
        Each id is asked for once, soon after its document was stored.
        """
        for operation in operations:
            for name in _ids_in_path(operation) if operation.method == "GET" else ():
                for one in self.ids - self.asked:
                    answer = self.client.get(address(operation, **{name: one}))
                    self.public |= {one} if answer.is_success else set()
        self.asked |= self.ids


def _ids_in_path(operation: Operation) -> Iterator[str]:
    for one in operation.parameters:
        examples = one["schema"].get("examples") or [""]
        if operation.path.endswith(f"{{{one['name']}}}") and ObjectId.is_valid(examples[0]):
            yield one["name"]


Contract = Callable[[Operation, Session], Iterator[str]]


def create(session: Session, operations: Sequence[Operation]) -> None:
    """Send the first example of each route that creates something."""
    for operation in operations:
        if operation.method == "POST" and "201" in operation.responses:
            session.send(operation, next(requests_of(operation)))


def send_everything(session: Session, operations: Sequence[Operation]) -> None:
    """Send all documented requests.

    Each write is sent after the creations, so that there is something to change, and is followed by all reads. Writes
    without a token come first, because others may change what they need; deletions come last.
    """
    readers = [operation for operation in operations if operation.method == "GET"]
    writers = [operation for operation in operations if operation.method != "GET"]
    for writer in sorted(writers, key=lambda operation: (operation.method == "DELETE", not operation.public)):
        create(session, operations)
        session.learn_public(operations)
        for request in requests_of(writer):
            session.send(writer, request)
        for reader in readers:
            session.send(reader, next(requests_of(reader)))
    create(session, operations)
    for reader in readers:
        for request in requests_of(reader):
            session.send(reader, request)
    session.learn_public(operations)


def exposes_nothing_internal(operation: Operation, session: Session) -> Iterator[str]:
    """Check that no response has an internal field or an internal id, and that none with personal data may be cached.
    Internal ids are known only when all requests have been sent."""
    secret = session.ids - session.public
    answers = [answer for _, answer in session.of_operation(operation)]
    leaks = {leak for answer in answers for leak in _leaks(operation, answer, secret)}
    yield from (f"exposes {leak}" for leak in sorted(leaks))


def answers_its_examples(operation: Operation, session: Session) -> Iterator[str]:
    """Check that the documented request of each media type was answered with success, alone or with parameters."""
    succeeded = [sent for sent, answer in session.of_operation(operation) if answer.is_success]
    # A text in parentheses stands for a binary file.
    bodies = [body for body in bodies_of(operation) if not body.get("content", b"").startswith(b"(")]
    if not all(any(_has_body(sent, body) for sent in succeeded) for body in bodies):
        yield "answers none of its examples with success"


CONTRACTS: tuple[Contract, ...] = (exposes_nothing_internal, answers_its_examples)


def _has_body(request: RequestArguments, body: RequestArguments) -> bool:
    headers = body.get("headers", {}).items()
    return request.get("headers", {}).items() >= headers and all(
        request.get(part) == content for part, content in body.items() if part != "headers"
    )


def _leaks(operation: Operation, answer: Response, secret: set[str]) -> Iterator[str]:
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    for place, text in (("its body", answer.text), ("its headers", headers)):
        if secret & set(re.findall(r"(?=([0-9a-f]{24}))", text.lower())):
            yield f"the _id of a stored document in {place}"
    if not operation.public and answer.headers.get("Cache-Control") != "no-store":
        yield "personal data to caches"
    for name in sorted(INTERNAL_FIELDS & set(_keys(answer))) + INTERNAL_FIELD_WORD.findall(headers):
        yield f"the key {name}"


def _keys(answer: Response) -> Iterator[str]:
    """Yield every key of a response: of JSON at any depth, the columns of CSV, and internal fields in other text."""
    media_type = answer.headers.get("Content-Type", "")
    if "ndjson" in media_type:
        for line in answer.text.splitlines():
            yield from _keys_of(json.loads(line))
    elif "json" in media_type and answer.content:
        yield from _keys_of(answer.json())
    elif "csv" in media_type:
        yield from next(csv.reader(answer.text.removeprefix("\ufeff").splitlines()), [])
    else:
        yield from INTERNAL_FIELD_WORD.findall(answer.text)


def _keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys_of(item)
