"""What a module answers when it is asked in earnest: its documented examples, sent one after the other to an app that
keeps what they create. Nothing that only the database should know is in any answer."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from fastapi.testclient import TestClient
from httpx2 import Response
from pymongo.database import Database

from tests.contract.asking import Asked, requests_of
from tests.contract.behaviour import address
from tests.contract.documentation import INSIDE
from tests.contract.operations import Operation

INSIDE_WORD = re.compile(rf"(?<!\w)({'|'.join(sorted(INSIDE))})(?!\w)")


@dataclass
class Talk:
    """A talk with an app: what it answered, what its addresses are called, and every `_id` that it ever stored. (Only
    ObjectIds: a key that a module makes itself is its own affair.)"""

    client: TestClient
    database: Database[dict[str, Any]]
    answers: list[tuple[Operation, Response]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    public: set[str] = field(default_factory=set)

    def ask(self, operation: Operation, request: Asked) -> None:
        """Send a request, and remember the address of what it created."""
        answer = self.client.request(operation.method, address(operation, **self._names(operation)), **request)
        self.answers.append((operation, answer))
        self._learn_names(operation, answer.headers.get("Location", ""))
        self._learn_ids()

    def _names(self, operation: Operation) -> dict[str, str]:
        return {one["name"]: self.names[one["name"]] for one in operation.parameters if one["name"] in self.names}

    def _learn_names(self, operation: Operation, location: str) -> None:
        for template in operation.document["paths"]:
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if location and (found := re.fullmatch(pattern, location)):
                self.names |= found.groupdict()

    def _learn_ids(self) -> None:
        for name in self.database.list_collection_names():
            found = self.database[name].distinct("_id")
            self.ids |= {str(one) for one in found if isinstance(one, ObjectId)}

    def learn_public(self, operations: Sequence[Operation]) -> None:
        """An `_id` is public, as the name of a document, where the documentation says that a path ends with such an id
        (its example is one) and the document is read there."""
        for operation in operations:
            for name in _ids_in_path(operation) if operation.method == "GET" else ():
                for one in self.ids - self.public:
                    answer = self.client.get(address(operation, **{name: one}))
                    self.public |= {one} if answer.is_success else set()


def _ids_in_path(operation: Operation) -> Iterator[str]:
    for one in operation.parameters:
        examples = one["schema"].get("examples") or [""]
        if operation.path.endswith(f"{{{one['name']}}}") and ObjectId.is_valid(examples[0]):
            yield one["name"]


def create(talk: Talk, operations: Sequence[Operation]) -> None:
    """Send the first example of each route that creates something."""
    for operation in operations:
        if operation.method == "POST" and "201" in operation.responses:
            talk.ask(operation, next(requests_of(operation)))


def ask_everything(talk: Talk, operations: Sequence[Operation]) -> None:
    """Send all that is documented: to readers after each kind of change, too, and to writers when there is something to
    change. Public writers come first, as what they need may be changed by the others; deletions come last."""
    readers = [operation for operation in operations if operation.method == "GET"]
    writers = [operation for operation in operations if operation.method != "GET"]
    for writer in sorted(writers, key=lambda operation: (operation.method == "DELETE", not operation.public)):
        for request in requests_of(writer):
            create(talk, operations)
            talk.learn_public(operations)
            talk.ask(writer, request)
        for reader in readers:
            talk.ask(reader, next(requests_of(reader)))
    create(talk, operations)
    for reader in readers:
        for request in requests_of(reader):
            talk.ask(reader, request)
    talk.learn_public(operations)


def gaps(talk: Talk, operations: Sequence[Operation]) -> list[str]:
    """What the answers told, and the routes to read by of which nothing is known, as no example led to an answer."""
    secret = talk.ids - talk.public
    told = {
        f"{operation}: tells {leak}" for operation, answer in talk.answers for leak in _leaks(operation, answer, secret)
    }
    answered = {str(operation) for operation, answer in talk.answers if answer.is_success}
    unknown = {str(operation) for operation in operations if operation.method == "GET"} - answered
    return sorted(told | {f"{operation}: answers none of its examples" for operation in unknown})


def _leaks(operation: Operation, answer: Response, secret: set[str]) -> Iterator[str]:
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    for place, text in (("its body", answer.text), ("its headers", headers)):
        if secret & set(re.findall(r"(?=([0-9a-f]{24}))", text.lower())):
            yield f"the _id of what is stored, in {place}"
    if not operation.public and answer.headers.get("Cache-Control") != "no-store":
        yield "personal data to caches"
    for name in sorted(INSIDE & set(_keys(answer))) + INSIDE_WORD.findall(headers):
        yield f"the key {name}"


def _keys(answer: Response) -> Iterator[str]:
    """Every key of an answer: of JSON at any depth, line by line where there are several, the columns of a table, and
    whatever looks like one elsewhere."""
    media_type = answer.headers.get("Content-Type", "")
    if "ndjson" in media_type:
        for line in answer.text.splitlines():
            yield from _keys_of(json.loads(line))
    elif "json" in media_type and answer.content:
        yield from _keys_of(answer.json())
    elif "csv" in media_type:
        yield from next(csv.reader(answer.text.removeprefix("\ufeff").splitlines()), [])
    else:
        yield from INSIDE_WORD.findall(answer.text)


def _keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys_of(item)
