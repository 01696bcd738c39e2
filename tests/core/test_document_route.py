"""Tests of the route `/openapi.json`: its address, its entity tag and its compression."""

import gzip
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from core.app import create_app
from core.openapi.code_samples import ADDRESS
from core.settings import Settings
from tests.core.stubs import unstarted_client

PATH = "/openapi.json"


def ask(client: TestClient, **headers: str) -> httpx2.Response:
    return client.get(PATH, headers={name.replace("_", "-"): value for name, value in headers.items()})


def address_in(answer: httpx2.Response) -> str:
    """Return the address of the server in a document; all samples must have the same one."""
    document: dict[str, Any] = answer.json()
    (server,) = document["servers"]
    address: str = server["url"]
    assert ADDRESS not in answer.text
    sources = [
        sample["source"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for sample in operation["x-codeSamples"]
    ]
    assert sources
    assert all(f"{address}/" in source for source in sources)
    return address


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("school.example", "http://school.example"),
        ("school.example:8443", "http://school.example:8443"),
        ("192.0.2.7:80", "http://192.0.2.7:80"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_samples_have_the_address_they_were_fetched_from(host: str, address: str) -> None:
    assert address_in(ask(unstarted_client(), Host=host)) == address


@pytest.mark.parametrize("host", ["$(reboot)", "a;b&c", "a'b", "a`b`", "<script>", "a b", "[::1", 'a"b', ""])
def test_an_unusual_host_is_not_put_into_commands(host: str) -> None:
    answer = ask(unstarted_client(), Host=host)
    assert answer.json()["servers"] == [{"url": ADDRESS}]
    assert not host or f"http://{host}" not in answer.text


def test_the_address_is_that_of_the_proxy_in_front() -> None:
    client = TestClient(create_app(Settings.model_construct()), root_path="/api")
    answer = client.get(f"/api{PATH}", headers={"Host": "school.example", "X-Forwarded-Proto": "https"})
    assert address_in(answer) == "https://school.example/api"


def test_the_document_is_revalidated_with_its_entity_tag() -> None:
    client = unstarted_client()
    whole = ask(client)
    assert (whole.headers["Cache-Control"], whole.headers["Vary"]) == ("no-cache", "Accept-Encoding")
    again = ask(client, If_None_Match=whole.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == whole.headers[name]
    elsewhere = ask(client, If_None_Match=whole.headers["ETag"], Host="school.example")
    assert elsewhere.status_code == 200
    assert elsewhere.headers["ETag"] != whole.headers["ETag"]


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip; q=1.0, identity", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("identity", False),
        ("gzipped", False),
        ("", False),
    ],
)
def test_the_document_is_compressed_if_the_client_accepts_it(accepted: str, compressed: bool) -> None:
    answer = ask(unstarted_client(), Accept_Encoding=accepted)
    assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None)
    assert answer.json()["openapi"]
    assert answer.headers["ETag"] == ask(unstarted_client(), Accept_Encoding="gzip").headers["ETag"]


def test_the_whole_document_has_less_than_60_kb_on_the_wire() -> None:
    client = TestClient(create_app(Settings.model_construct()))
    with client.stream("GET", PATH) as answer:
        sent = b"".join(answer.iter_raw())
    assert len(sent) == int(answer.headers["Content-Length"]) < 60_000
    assert len(gzip.decompress(sent)) > 400_000


def test_only_the_documents_of_the_last_addresses_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    compressions = []

    def compress(data: bytes, **_: object) -> bytes:
        compressions.append(data)
        return b""

    monkeypatch.setattr(gzip, "compress", compress)
    client = unstarted_client()
    for number in [*range(9), 8, 0]:
        ask(client, Host=f"host{number}", Accept_Encoding="identity")
    assert len(compressions) == 10


def test_head_has_the_headers_only() -> None:
    client = unstarted_client()
    head = client.head(PATH)
    assert (head.content, head.headers["ETag"]) == (b"", ask(client).headers["ETag"])
