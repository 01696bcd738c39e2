"""A day at school in some seconds: what people ask of the service, each answer looked at."""

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
    """Somebody who is at it all day, in a hurry: a request each `pause` seconds, and a new connection each visit."""

    name: str
    password: str
    url: str
    pause: float
    over: Event
    exchanges: bool
    """Whether files come and go, too: a process of the service takes two imports at once, and asks others to wait."""
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    since: str = ""

    def work(self) -> None:
        """Visit after visit until it is over, or until something went wrong."""
        visit = 0
        while not self.over.is_set() and not self.wrong:
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
        if self.exchanges and number % 3 == 0:
            self.exchange(number)

    def change(self, roll_no: str) -> None:
        """A student comes, is changed, and goes without a trace."""
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

    def exchange(self, number: int) -> None:
        """A class comes as a file, is looked at in all ways, and goes as one."""
        rows = [f"{self.name}-C{row},Zoë Łuk,Art,{(row + number) % 100}" for row in range(CLASS)]
        file = "\n".join(["roll_no,name,branch,math", *rows, ""])
        self.ask("POST", "/imports", 201, content=file.encode(), headers=IMPORT)
        self.ask("POST", "/imports", 422, content=file.replace("Art,", "Art,-").encode(), headers=IMPORT)
        self.ask("GET", "/imports?limit=3", 200)
        self.ask("GET", "/exports/students?format=csv", 200)
        self.ask("GET", "/statistics.svg", 200)
        self.ask("GET", f"/report-cards/{self.name}-C1", 200)
        self.ask("GET", "/metrics", 200)

    def ask(self, method: str, path: str, status: int, **sent: object) -> httpx2.Response:
        """The answer, which must have this status."""
        begun = time.monotonic()
        answer = self.client.request(method, path, **sent)  # type: ignore[arg-type]
        self.asked[f"{method} {path.partition('?')[0].replace(self.name, '')}"] += 1
        if answer.status_code != status:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        self.over.wait(max(0.0, begun + self.pause - time.monotonic()))
        return answer
