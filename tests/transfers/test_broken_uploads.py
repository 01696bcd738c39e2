"""Truncated uploads to a real server: nothing of them remains, and the server continues."""

import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo.database import Database

from tests.processes import until
from tests.servers import Server, serve
from tests.transfers.helpers import CSV, JSON, NDJSON, embedded_database, send, sign_in_at, students

pytestmark = pytest.mark.process

HEADER = "roll_no,name,branch,math\n"
FORM = "multipart/form-data; boundary=limit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serve(folder) as server:
        yield server


@pytest.fixture(scope="module")
def database(server: Server, folder: Path) -> Iterator[Database[JSON]]:
    with embedded_database(folder) as database:
        yield database


def send_half(server: Server, token: str, media: str, content: bytes, *, announced: bool) -> str:
    """Send the beginning of a request, close the connection, and return the id of the request."""
    address, request_id = urlsplit(server.url), uuid.uuid4().hex
    length = f"Content-Length: {2 * len(content)}" if announced else "Transfer-Encoding: chunked"
    head = (
        f"POST /imports HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Type: {media}\r\n{length}\r\n\r\n"
    )
    body = content if announced else f"{len(content):x}\r\n".encode() + content + b"\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode() + body)
    return request_id


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize("media", [CSV, NDJSON, FORM])
def test_a_truncated_upload_stores_nothing(
    server: Server, database: Database[JSON], media: str, announced: bool
) -> None:
    text = HEADER + "".join(f"S{number},Asha,Physics,91\n" for number in range(150_000))
    head = (
        '--limit\r\nContent-Disposition: form-data; name="file"; filename="class.csv"\r\n\r\n' if media == FORM else ""
    )

    with server.client() as client:
        token = sign_in_at(client)
        request_id = send_half(server, token, media, (head + text).encode(), announced=announced)
        until(lambda: [line for line in server.log_lines() if line.get("id") == request_id], within=8)

        statuses = [line.get("status") for line in server.log_lines() if line.get("id") == request_id]
        assert statuses == [400]
        left = [database[name].count_documents({}) for name in ("imports", "import_files", "students")]
        assert left == [0, 0, 0]
        good = send(client, HEADER + "S1,Asha,Physics,91\n", dry_run="true")
        assert (good.status_code, good.json()["created"]) == (201, 1)
        assert students(client) == {}
    database["imports"].delete_many({})
