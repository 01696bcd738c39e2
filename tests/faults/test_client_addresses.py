"""The address that the service counts and records is that of the client, over any stack or proxy, and never forged."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from core.settings import Settings
from tests.core.test_lifecycle import MAIN
from tests.faults.raw import Raw
from tests.processes import ROOT, until
from tests.servers import PATIENCE, Server, launch, stopped

pytestmark = pytest.mark.process

UVICORN = ["-m", "uvicorn", "main:app", "--app-dir", str(ROOT)]
FAILURES = 3


@pytest.fixture
def database(settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        yield client[settings.mongodb_database]


@contextmanager
def served(folder: Path, settings: Settings, *command: str, **environment: str) -> Iterator[Server]:
    assert settings.mongodb_url
    environment |= {"MONGODB_URL": settings.mongodb_url.get_secret_value(), "LOGIN_FAILURES_PER_ADDRESS": str(FAILURES)}
    with stopped(launch(folder, *command, MONGODB_DATABASE=settings.mongodb_database, **environment)) as server:
        yield server


def guesses(url: str, source: str, **headers: str) -> list[int]:
    """Try once more than an address may fail, each time to sign in to another account. Return the statuses."""
    transport = httpx2.HTTPTransport(local_address=source)
    with httpx2.Client(base_url=url, timeout=PATIENCE, transport=transport) as client:
        return [
            client.post("/login", data={"username": f"user{number}", "password": "wrong"}, headers=headers).status_code
            for number in range(FAILURES + 1)
        ]


BLOCKED = [401] * FAILURES + [429]


def addresses(database: Database[dict[str, Any]]) -> set[str]:
    """Return the addresses of the failed tries in the audit log."""
    return set(database["auth_events"].distinct("address"))


def has_dual_stack() -> bool:
    try:
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True):
            return True
    except (OSError, ValueError):
        return False


@pytest.mark.skipif(not has_dual_stack(), reason="this machine has no IPv6, so HOST=:: was not tested")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_over_ipv4_and_ipv6_each_client_has_its_own_address(
    tmp_path: Path, settings: Settings, database: Database[dict[str, Any]], workers: str
) -> None:
    proxy = "127.0.0.9"
    with served(tmp_path, settings, *MAIN, HOST="::", WORKERS=workers, TRUSTED_PROXIES=proxy) as server:
        url = server.url.replace("[::]", "127.0.0.1")
        assert guesses(url, "127.0.0.2") == BLOCKED
        assert guesses(url, "127.0.0.3") == BLOCKED
        assert guesses(url, proxy, **{"X-Forwarded-For": "6.6.6.6, ::ffff:198.51.100.7"}) == BLOCKED
        assert guesses(server.url.replace("[::]", "[::1]"), "::1") == BLOCKED
        seen = {"127.0.0.2", "127.0.0.3", "198.51.100.7", "::1"}
        until(lambda: {line["address"] for line in server.log_lines() if line.get("route") == "/login"} == seen)
        assert addresses(database) == seen
        assert httpx2.get(f"{url}/metrics").status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        "--proxy-headers",
        "--workers 2",
        "--http h11 --forwarded-allow-ips *",
        "--no-proxy-headers",
    ],
)
def test_under_uvicorn_a_forged_header_changes_neither_throttle_nor_audit(
    tmp_path: Path, settings: Settings, database: Database[dict[str, Any]], options: str
) -> None:
    with served(tmp_path, settings, *UVICORN, "--port", "0", *options.split()) as server:
        assert guesses(server.url, "127.0.0.1", **{"X-Forwarded-For": "192.0.2.1:5555"}) == BLOCKED
        for number in range(3):
            assert set(guesses(server.url, "127.0.0.1", **{"X-Forwarded-For": f"198.51.100.{number}"})) == {429}
        assert addresses(database) == {"127.0.0.1"}
        seen = {line["address"] for line in server.log_lines() if line.get("route") == "/login"}
        assert seen == {"127.0.0.1"}
        answer = httpx2.get(f"{server.url}/healthz", headers={"X-Forwarded-Proto": "https"})
        assert "Strict-Transport-Security" not in answer.headers
        warnings = [line for line in server.log_lines() if "--no-proxy-headers" in str(line["message"])]
        expected = {"--workers 2": 2, "--no-proxy-headers": 0}.get(options, 1)
        assert [line["level"] for line in warnings] == ["WARNING"] * expected


def test_a_proxy_that_adds_no_header_does_not_get_the_metrics(tmp_path: Path, settings: Settings) -> None:
    with served(tmp_path, settings, *MAIN) as server:
        assert httpx2.get(f"{server.url}/metrics").status_code == 200
        with Raw(server) as raw:  # as nginx sends it with only `proxy_pass`
            raw.send("GET /metrics HTTP/1.0\r\nHost: backend\r\nConnection: close\r\n\r\n")
            assert raw.answer().problem()["type"] == "/problems/metrics-hidden"
