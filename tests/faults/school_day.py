"""Typical use of the service by one user, with a check of each response."""

import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Event

import httpx2

from tests.servers import PATIENCE

CLASS = 40

IMPORT = {"Content-Type": "text/csv"}


@dataclass
class Person:
    """A user who sends one request per `pause` seconds, and opens a new connection for each visit."""

    name: str
    password: str
    url: str
    pause: float
    stop: Event
    transfers: bool
    """Whether the user also imports and exports files. A process of the service refuses more than a few imports."""
    requests: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    since: str = ""

    def work(self) -> None:
        """Visit the service again and again until `stop` is set, or until a response is wrong."""
        visit = 0
        while not self.stop.is_set() and not self.wrong:
            visit += 1
            try:
                with httpx2.Client(base_url=self.url, timeout=PATIENCE) as self.client:
                    self.visit(visit)
            except httpx2.TransportError as error:
                self.wrong.append(repr(error))

    def visit(self, number: int) -> None:
        form = {"username": self.name, "password": self.password}
        token = self.ask("POST", "/login", 200, data=form).json().get("access_token")
        self.client.headers["Authorization"] = f"Bearer {token}"
        self.change(f"{self.name}-{number}")
        self.read()
        if self.transfers and number % 3 == 0:
            self.transfer(number)

    def change(self, roll_no: str) -> None:
        """Create a student, change it, delete it and erase it."""
        path = f"/students/{roll_no}"
        body = {"roll_no": roll_no, "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}
        self.ask("POST", "/students", 201, json=body)
        self.ask("POST", "/students", 409, json=body)
        old = {"If-None-Match": self.ask("GET", path, 200).headers.get("ETag", "")}
        self.ask("GET", path, 304, headers=old)
        self.ask("PATCH", path, 200, json={"marks": {"art": 7.5}}, headers={"If-Match": old["If-None-Match"]})
        self.ask("PATCH", path, 412, json={"marks": {"art": 8}}, headers={"If-Match": old["If-None-Match"]})
        self.ask("GET", path, 200, headers=old)
        self.ask("PUT", f"{path}/marks/art", 422, json={"mark": "much"})
        self.ask("DELETE", path, 204)
        self.ask("GET", path, 404)
        self.ask("POST", f"{path}/restore", 200)
        self.ask("GET", f"{path}/history?limit=5", 200)
        self.ask("DELETE", f"{path}?purge=true", 204)

    def read(self) -> None:
        self.ask("GET", "/students?limit=20&sort=-marks.math&count=true", 200)
        self.ask("GET", "/students?q=asha&fields=roll_no,name", 200)
        self.ask("GET", "/statistics", 200)
        self.ask("GET", "/rankings?limit=10", 200)
        news = self.ask("GET", "/changes" + (f"?since={self.since}" if self.since else ""), 200).json()
        self.since = news.get("next", "")

    def transfer(self, number: int) -> None:
        """Import a class from a file, read it in all ways, and export it."""
        rows = [f"{self.name}-C{row},Zoë Łuk,Art,{(7 * row + number) % 100}" for row in range(CLASS)]
        file = "\n".join(["roll_no,name,branch,math", *rows, ""])
        self.import_(file, 201)
        self.import_(file.replace("Art,", "Art,-"), 422)
        self.ask("GET", "/imports?limit=3", 200)
        self.ask("GET", "/exports/students?format=csv", 200)
        self.ask("GET", "/statistics.svg", 200)
        self.ask("GET", f"/report-cards/{self.name}-C1", 200)
        self.ask("GET", "/metrics", 200)

    def import_(self, file: str, status: int) -> None:
        """Import a file. Send it again if another user's erasure deleted it before the import read it."""
        while True:
            answer = self.ask("POST", "/imports", status, 409, content=file.encode(), headers=IMPORT)
            if answer.status_code != 409:
                return
            if answer.json()["type"] != "/problems/file-deleted":
                self.wrong.append(f"POST /imports: 409 {answer.text[:500]}")
                return

    def ask(self, method: str, path: str, *expected: int, **sent: object) -> httpx2.Response:
        """Send a request, and return the response. Record it as wrong unless it has one of the expected statuses."""
        begun = time.monotonic()
        answer = self.client.request(method, path, **sent)  # type: ignore[arg-type]
        self.requests[f"{method} {path.partition('?')[0].replace(self.name, '')}"] += 1
        if answer.status_code not in expected:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        self.stop.wait(max(0.0, begun + self.pause - time.monotonic()))
        return answer
