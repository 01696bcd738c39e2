"""The service with settings for several processes, for TLS, and for a text log."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.core.test_lifecycle import MAIN, failed_start
from tests.processes import mongods, until
from tests.servers import Server, serve

pytestmark = pytest.mark.process


def count_openings(server: Server) -> int:
    """Return how many processes of the service have opened the database."""
    return sum("Using the embedded" in str(line["message"]) for line in server.log_lines())


def test_main_serves_with_several_processes_and_one_database(tmp_path: Path) -> None:
    with serve(tmp_path, WORKERS="3") as server:
        until(lambda: count_openings(server) == 3)
        assert len(mongods(tmp_path / "data")) == 1
        assert all(line.startswith("{") for line in server.log.read_text().splitlines())
        assert server.stop() == 0


def certificate(folder: Path) -> dict[str, str]:
    """Make a self-signed certificate. Return the settings for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    locked = serialization.BestAvailableEncryption(b"hunter2")
    (folder / "locked.pem").write_bytes(key.private_bytes(pem, form, locked))
    return {"TLS_CERTFILE": str(folder / "cert.pem"), "TLS_KEYFILE": str(folder / "key.pem")}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_main_serves_over_tls_with_strict_transport_security(tmp_path: Path, workers: str) -> None:
    with serve(tmp_path, WORKERS=workers, **certificate(tmp_path)) as server, server.client() as client:
        answer = client.get("/healthz")
        assert answer.url.scheme == "https"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("key", ["locked.pem", "cert.pem"])
def test_an_unusable_key_is_an_error_of_one_line(tmp_path: Path, key: str) -> None:
    given = {**certificate(tmp_path), "TLS_KEYFILE": str(tmp_path / key)}
    output = failed_start(MAIN, tmp_path, **given)
    assert "TLS_KEYFILE" in output
    assert output.count("\n") == 1


def test_production_refuses_the_embedded_database_in_one_line(tmp_path: Path) -> None:
    output = failed_start(MAIN, tmp_path, ENVIRONMENT="production", ALLOW_MEMORY_DB="1")
    assert "MONGODB_URL: " in output
    assert output.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("--port", "0")], ids=["main.py", "uvicorn"])
def test_the_log_can_be_text(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with serve(tmp_path, *arguments, LOG_FORMAT="text") as server:
        until(lambda: "access: request" in server.log.read_text())
        log = server.log.read_text()
    line = next(line for line in log.splitlines() if "access: request" in line)
    assert "INFO access: request id=" in line
    assert "route=/readyz status=200" in line
    assert not [line for line in log.splitlines() if line.startswith("{") and json.loads(line)]
