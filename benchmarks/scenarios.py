"""The scenarios of `benchmarks.run`."""

from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from benchmarks.filled import ACCOUNT

JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# The distance between the first request numbers of two loads. No load sends as many requests.
APART = 10_000_000


@dataclass(frozen=True)
class Scenario:
    """One kind of request. These placeholders in its path and body are filled for each request number:

    {student}  the roll number of an existing student, each in turn
    {new}      an unused roll number
    {mark}     a mark, different from the student's previous one
    """

    name: str
    method: str
    path: str
    body: str = ""
    kind: str = JSON
    status: int = 200
    rows: int = 0
    """The number of students in a list."""
    slow: bool = False
    """Whether a request takes so long that those in flight at the end are a large part of the load."""


@dataclass(frozen=True)
class Load:
    """A load of one scenario on one server. Each connection sends its next request as soon as it has a response."""

    scenario: Scenario
    url: str
    token: str
    students: int
    seconds: float
    first: int
    """The number of the first request; those of another load are `APART` or more away."""
    connections: int = 8

    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        kind = {"Content-Type": self.scenario.kind} if self.scenario.body else {}
        return {"Authorization": f"Bearer {self.token}", **kind}

    def filled(self, template: str, number: int) -> str:
        """Fill the placeholders of a path or body for one request. `benchmarks.wrk` does the same in Lua."""
        student, new = f"S{number % self.students:07}", f"B{number:012}"
        return template.replace("{student}", student).replace("{new}", new).replace("{mark}", str(number % 97))

    def for_(self, seconds: float, turn: int) -> Self:
        """Return the load with this duration and with the request numbers of this turn."""
        return replace(self, seconds=seconds, first=turn * APART)


NEW = '{"roll_no": "{new}", "name": "Asha Rao", "branch": "Measured", "marks": {"math": {mark}, "physics": 78.5}}'
SELECTED = {"branch": "Physics", "marks.math.gte": "40", "sort": "name", "limit": "100"}

SCENARIOS = (
    Scenario("GET one", "GET", "/students/{student}"),
    Scenario("list of 50", "GET", "/students?limit=50", rows=50),
    Scenario("list of 50, each another", "GET", "/students?limit=50&marks.math.gte=-{mark}", rows=50),
    Scenario("list of 100, filtered and sorted", "GET", f"/students?{urlencode(SELECTED)}", rows=100),
    Scenario("POST", "POST", "/students", NEW, status=201),
    Scenario("PATCH", "PATCH", "/students/{student}", '{"marks": {"art": {mark}}}'),
    Scenario("login", "POST", "/login", urlencode(ACCOUNT), kind=FORM, slow=True),
)
