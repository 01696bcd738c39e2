"""Fill the lists of a module with variants of its examples, and read them page after page."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.testclient import TestClient

from tests.contract.behaviour import address
from tests.contract.example_requests import requests_of
from tests.contract.operations import Operation

_RECORDS = 3
_MAX_PAGES = 2 * _RECORDS


def create_several(client: TestClient, operations: Sequence[Operation]) -> None:
    """Create records that differ from the example of each route that creates one, unless the route refuses them."""
    for operation in operations:
        if operation.method == "POST" and "201" in operation.responses:
            example = next(requests_of(operation)).get("json")
            for number in range(1, _RECORDS):
                _create_one_of(client, operation, _variants(example or {}, str(number)))


def _variants(example: dict[str, Any], mark: str) -> Iterator[dict[str, Any]]:
    """Yield bodies with other texts than the example: in all of its fields, then in one field each."""
    others = {name: mark + value for name, value in example.items() if isinstance(value, str)}
    yield example | others
    for name, other in others.items():
        yield example | {name: other}


def _create_one_of(client: TestClient, operation: Operation, bodies: Iterator[dict[str, Any]]) -> None:
    for body in bodies:
        if client.post(address(operation), json=body).status_code == 201:
            return


def read_pages(client: TestClient, operations: Sequence[Operation]) -> None:
    """Read each list in pages of one record."""
    for operation in operations:
        names = {one["name"] for one in operation.parameters if one["in"] == "query"}
        if operation.method == "GET" and {"cursor", "limit"} <= names:
            url, params = address(operation), {"limit": "1"}
            for _ in range(_MAX_PAGES):
                answer = client.get(url, params=params)
                if "next" not in answer.links:
                    break
                url, params = answer.links["next"]["url"], {}
