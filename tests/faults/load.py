"""A load of distinguishable writes on a running service, and a check of what is stored afterwards.

Each write sets one mark that no other write sets, in a subject that no other writer uses for that student. So the
history of a student shows which writes were done, how often and in which order. A version with any other change means
that a write overwrote another one.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.processes import until
from tests.servers import PATIENCE

ALICE = {"username": "alice", "email": "alice@example.com", "password": "secure123"}
SHARED = [f"S{number}" for number in range(3)]
MARKS = {"MARKS_MAX": "1000000"}
"""Settings with which every write can have a mark of its own."""


@dataclass
class Write:
    """A write, the seconds of the monotonic clock when it was sent and answered, and the status; 0 for no response."""

    writer: str
    roll_no: str
    subject: str
    mark: int
    sent: float
    answered: float = 0
    status: int = 0

    @property
    def acknowledged(self) -> bool:
        return self.status in (200, 201)


def sign_in(client: httpx2.Client) -> httpx2.Client:
    """Sign the client in as alice, who is registered first if necessary."""
    assert client.post("/register", json=ALICE).status_code in (201, 409)
    answer = client.post("/login", data={"username": "alice", "password": "secure123"})
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


class Load:
    """Several concurrent writers, which run while the context is open. Each reads what it has written.

    They continue after any response, and also while no server runs.
    """

    def __init__(self, url: str, writers: int = 4) -> None:
        self.url = url
        self.writes: list[Write] = []
        self.wrong: list[str] = []
        """Responses that no client may get."""
        self._created: dict[str, tuple[str, str]] = {}
        """For each writer, the student that it has just created and will change next, with the ETag."""
        self._numbers = itertools.count(1)
        self._stop = Event()
        self._pool = ThreadPoolExecutor(writers)
        self._writers = writers
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        with httpx2.Client(base_url=self.url, timeout=PATIENCE) as client:
            sign_in(client)
            self._headers = {"Authorization": client.headers["Authorization"]}
            own = [f"W{number}" for number in range(self._writers)]
            for roll_no in SHARED + own:
                body = {"roll_no": roll_no, "name": "n", "branch": "b"}
                assert client.post("/students", json=body).status_code == 201
        self._running = [self._pool.submit(self._write_until_stopped, f"W{number}") for number in range(self._writers)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._pool.shutdown()
        for writer in self._running:
            writer.result()

    def recovery(self, since: float) -> float:
        """Wait until a write that was sent after `since` is acknowledged. Return the seconds from `since` to then."""
        return until(lambda: next((one.answered - since for one in self._done() if one.sent > since), None))

    def writes_without_response(self) -> list[Write]:
        return [one for one in self.writes if not one.status]

    def wait_for_writes(self, writes: int = 1) -> None:
        """Wait until this many writes that are sent from now on are acknowledged, among them one of each writer."""
        now = monotonic()

        def done() -> bool:
            since = [one.writer for one in self._done() if one.sent > now]
            return len(since) >= writes and len(set(since)) == self._writers

        until(done)

    def _done(self) -> list[Write]:
        return [one for one in self.writes[-2000:] if one.acknowledged]

    def _write_until_stopped(self, name: str) -> None:
        with httpx2.Client(base_url=self.url, timeout=PATIENCE, headers=self._headers) as client:
            for kind in itertools.cycle(("create", "again", "own", "shared")):
                if self._stop.is_set():
                    return
                write = self._write(client, kind, name)
                if not write.acknowledged:
                    self._stop.wait(0.1)
                elif kind != "shared":
                    self._read(client, write)

    def _write(self, client: httpx2.Client, kind: str, name: str) -> Write:
        number = next(self._numbers)
        last = self._created.pop(name, None) if kind == "again" else None
        roll_no = {"create": f"N{number}", "shared": SHARED[number % len(SHARED)]}.get(kind, name)
        subject = name.lower()
        if last:
            roll_no, subject = last[0], "again"
        write = Write(name, roll_no, subject, number, monotonic())
        self.writes.append(write)
        marks: dict[str, Any] = {"marks": {write.subject: number}}
        if kind == "create":
            answer = self._ask(client, "POST", "/students", marks | {"roll_no": roll_no, "name": "n", "branch": "b"})
        else:
            answer = self._ask(client, "PATCH", f"/students/{roll_no}", marks, {"If-Match": last[1]} if last else {})
        write.answered, write.status = monotonic(), answer.status_code if answer else 0
        if answer and answer.status_code == 201:
            self._created[name] = (roll_no, answer.headers["ETag"])
        return write

    def _read(self, client: httpx2.Client, write: Write) -> None:
        answer = self._ask(client, "GET", f"/students/{write.roll_no}")
        if answer and answer.status_code != 503 and _mark(answer, write.subject) != write.mark:
            self.wrong.append(f"{write} was acknowledged, and then read as {answer.text}")

    def _ask(
        self, client: httpx2.Client, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response | None:
        """Send a request. Return the response, or None if the connection broke."""
        try:
            answer = client.request(method, path, json=body, headers=headers)
        except httpx2.TransportError:
            return None
        if answer.status_code == 503:
            expected = answer.headers["Content-Type"] == "application/problem+json" and "Retry-After" in answer.headers
        else:
            expected = answer.status_code in (200, 201)
        if not expected:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    def summary(self) -> str:
        statuses = Counter(one.status for one in self.writes)
        slowest = max(one.answered - one.sent for one in self.writes)
        return f"{dict(sorted(statuses.items()))} (status: writes), the slowest took {slowest:.2f} s"


def _mark(answer: httpx2.Response, subject: str) -> object:
    return answer.json()["marks"].get(subject) if answer.status_code == 200 else None


def check_written(url: str, load: Load) -> None:
    """Check that no response was wrong, and that the stored marks are those of the load.

    Every acknowledged write must be stored; one that was not acknowledged may be. No write may be stored twice.
    """
    assert load.wrong == [], "\n".join(load.wrong)
    with httpx2.Client(base_url=url, timeout=PATIENCE) as client:
        sign_in(client)
        stored = {str(one["roll_no"]): one["marks"] for one in pages(client, "/students")}
        sent = Counter[tuple[str, str, int]]()
        found = Counter[tuple[str, str, int]]()
        for write in load.writes:
            sent[write.roll_no, write.subject, write.mark] += 1
        for roll_no, marks in stored.items():
            if roll_no.startswith("N"):
                found.update((roll_no, subject, mark) for subject, mark in marks.items())
            else:
                found.update(applied(client, roll_no, marks))
    assert found <= sent, f"stored, but not sent or not so often: {found - sent}"
    acknowledged = {(one.roll_no, one.subject, one.mark) for one in load.writes if one.acknowledged}
    assert acknowledged <= found.keys(), f"lost: {acknowledged - found.keys()}"


def applied(client: httpx2.Client, roll_no: str, marks: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield the writes in a student's history.

    Assert that each version is one write, that no version is missing, and that the last writes equal the marks.
    """
    history = list(pages(client, f"/students/{roll_no}/history"))[::-1]
    assert [one["version"] for one in history] == list(range(1, len(history) + 1))
    newest = {}
    for one in history[1:]:
        (change,) = one["changes"]
        subject = str(change["field"]).removeprefix("marks.")
        newest[subject] = change["to"]
        yield roll_no, subject, change["to"]
    assert newest == marks


def pages(client: httpx2.Client, path: str) -> Iterator[dict[str, Any]]:
    """Yield all items of a list, page by page."""
    address: str | None = f"{path}?limit=500"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        yield from answer.json()
        address = answer.links["next"]["url"] if "next" in answer.links else None
