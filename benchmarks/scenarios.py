"""What `benchmarks.run` asks for."""

from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from benchmarks.filled import ACCOUNT

JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# How far apart the requests of two loads are numbered: no load makes as many.
APART = 10_000_000


@dataclass(frozen=True)
class Scenario:
    """One kind of request. In its path and body stand, for each request's number:

    {student}  the roll number of one of the students, each in turn
    {new}      a roll number that nobody has
    {mark}     a mark, another one than this student was last given
    """

    name: str
    method: str
    path: str
    body: str = ""
    kind: str = JSON
    status: int = 200
    rows: int = 0
    """How many students a list has."""
    slow: bool = False
    """Whether one takes so long that those in flight at a load's end are a large part of it."""


@dataclass(frozen=True)
class Load:
    """A scenario at one server: so many connections, each asking again as soon as it has its answer."""

    scenario: Scenario
    url: str
    token: str
    students: int
    seconds: float
    first: int
    """The number of the first request; those of another load are `APART` or more away."""
    connections: int = 8

    def headers(self) -> dict[str, str]:
        """What each request carries."""
        kind = {"Content-Type": self.scenario.kind} if self.scenario.body else {}
        return {"Authorization": f"Bearer {self.token}", **kind}

    def filled(self, template: str, number: int) -> str:
        """A path or a body for one request. `benchmarks.wrk` does the same in Lua."""
        student, new = f"S{number % self.students:07}", f"B{number:012}"
        return template.replace("{student}", student).replace("{new}", new).replace("{mark}", str(number % 97))

    def for_(self, seconds: float, turn: int) -> Self:
        """The same for another time, with numbers of its own."""
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
