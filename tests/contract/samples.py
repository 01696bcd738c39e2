"""The sample calls of the documentation, sent as they are."""

import shlex
from collections.abc import Iterator
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from core.openapi.code_samples import ADDRESS
from tests.contract.operations import Operation


def accepts_its_sample_call(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that the documented call for a terminal is answered as documented, and not refused as invalid."""
    answer = send(client, operation.spec["x-codeSamples"][0]["source"])
    if answer.status_code in (400, 405, 413, 415, 422, 500) or str(answer.status_code) not in operation.responses:
        yield f"answers {answer.status_code} to the sample call of its documentation: {answer.text[:300]}"


def send(client: TestClient, call: str) -> Response:
    """Send the request that a curl command describes."""
    words = shlex.split(call.replace("\\\n", " "))[2:]
    sent: dict[str, Any] = {"headers": {}, "method": "GET"}
    while words:
        match words:
            case ["-X", method, *words]:
                sent["method"] = method
            case ["-O", *words]:
                pass
            case ["-H", line, *words]:
                name, _, value = line.partition(": ")
                if "$TOKEN" not in value:
                    sent["headers"][name] = value
            case ["--data-binary" | "-d" as how, body, *words]:
                sent |= {"content": body.encode(), "method": "POST" if sent["method"] == "GET" else sent["method"]}
                if how == "-d":
                    sent["headers"]["Content-Type"] = "application/x-www-form-urlencoded"
            case ["-F", "file=@class.csv", *words]:
                sent |= {
                    "files": {"file": ("class.csv", b"roll_no,name,branch\nS9,Zo\xc3\xab,Physics\n")},
                    "method": "POST",
                }
            case [address, *words]:
                sent["url"] = address.removeprefix(ADDRESS)
    return client.request(**sent)
