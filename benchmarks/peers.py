"""The servers that `benchmarks.run` compares. Each is a separate process with its own database, all on one mongod and
with the same students."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from pymongo import IndexModel, MongoClient
from pymongo.database import Database

from benchmarks.common import environment, expect
from benchmarks.filled import SETTINGS, check_shape, fill, sign_in
from benchmarks.scenarios import SCENARIOS, Load, Scenario
from benchmarks.school import students
from core.database import Embedded
from modules.students.schemas import StudentFields
from tests.processes import ROOT
from tests.servers import Server, launch

SERVICE, FLOOR, TUTORIAL, NAIVE = "service", "floor", "tutorial", "naive"
NAMES = (FLOOR, SERVICE, TUTORIAL, NAIVE)
TIMES = ("created_at", "updated_at")


@dataclass(frozen=True)
class Peer:
    """A running server with an authenticated client. `threads` is the number of Motor's threads if it was set."""

    name: str
    server: Server
    client: httpx2.Client
    threads: str = ""

    def load(self, scenario: Scenario, ground: "Ground", connections: int) -> Load:
        """Return a load of this scenario, whose duration and request numbers are still to be set."""
        token = self.client.headers["Authorization"].partition(" ")[2]
        return Load(scenario, self.server.url, token, ground.students, 0, 0, connections)

    def ask(self, scenario: Scenario, ground: "Ground", number: int) -> httpx2.Response:
        """Send one request of the scenario. Raise `UnexpectedStatus` if its status is another than expected."""
        load = self.load(scenario, ground, 1)
        path, body = load.filled(scenario.path, number), load.filled(scenario.body, number)
        answer = self.client.request(scenario.method, path, content=body, headers={"Content-Type": scenario.kind})
        return expect(answer, scenario.status)


@dataclass(frozen=True)
class Ground:
    """The shared environment of all peers: the database server, a folder, and the chosen options."""

    embedded: Embedded
    folder: Path
    students: int
    cost: int
    workers: int


@contextmanager
def open_peer(ground: Ground, name: str, threads: str = "") -> Iterator[Peer]:
    """Run a peer with its students. The peer is stopped at the end of the context; its database remains."""
    folder = ground.folder / f"{name}{threads}"
    folder.mkdir()
    settings = environment(folder) | SETTINGS | {"BCRYPT_COST": str(ground.cost)}
    settings |= {"MONGODB_URL": ground.embedded.url, "MONGODB_DATABASE": folder.name}
    if threads:
        settings["MOTOR_MAX_WORKERS"] = threads
    with ExitStack() as stack:
        server = launch(folder, *command(name, ground.workers), **settings)
        stack.callback(server.stop)
        client = stack.enter_context(server.client())
        mongo: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(ground.embedded.url, tz_aware=True))
        sign_in(client)
        if name in (SERVICE, FLOOR):
            check_shape(client, mongo[folder.name])
            fill(mongo[folder.name], ground.students)
        else:
            fill_plainly(mongo[folder.name], ground.students)
        yield Peer(name, server, client, threads)


def command(name: str, workers: int) -> list[str]:
    """Return the arguments for Python. The floor does not log requests; the others do, which is their default."""
    if name == SERVICE and workers == 1:
        return [str(ROOT / "main.py")]
    options = {SERVICE: ["--no-proxy-headers"], FLOOR: ["--no-access-log"]}.get(name, [])
    app = ["main:app" if name == SERVICE else f"benchmarks.{name}:app", *options]
    return ["-m", "uvicorn", *app, "--app-dir", str(ROOT), "--port", "0", "--workers", str(workers)]


def fill_plainly(database: Database[dict[str, Any]], size: int) -> None:
    """Insert the students with only the fields of responses, and build the indexes that the scenarios need."""
    rows = [{field: row[field] for field in StudentFields.model_fields} for row in students(size)]
    database.students.insert_many(rows)
    orders = ("branch", "name", "roll_no")
    indexes = [IndexModel("roll_no", unique=True), IndexModel([(field, 1) for field in orders])]
    database.students.create_indexes(indexes)


def check_alike(peers: list[Peer], ground: Ground) -> None:
    """Check before any timing that all peers return the same content, and the floor the same bytes, apart from times
    and tokens."""
    service, *others = sorted(peers, key=lambda peer: peer.name != SERVICE)
    for number, scenario in enumerate(SCENARIOS):  # reads come first, while all databases are equal
        known = service.ask(scenario, ground, number)
        for peer in others:
            answer = peer.ask(scenario, ground, number)
            said = f"{scenario.name}: {peer.name} returns {answer.text}, the service {known.text}"
            if scenario.name == "login":
                assert peer.name != FLOOR or answer.json().keys() == known.json().keys(), said
            elif scenario.method == "GET" and peer.name != FLOOR and "sort=name" in scenario.path:
                assert len(answer.json()) == len(known.json()), said  # others: they sort by code point
            elif scenario.method == "GET":
                assert answer.content == known.content if peer.name == FLOOR else answer.json() == known.json(), said
            else:
                assert without_times(answer) == without_times(known), said
        assert not scenario.rows or len(known.json()) == scenario.rows, f"{scenario.name}: too few students"


def without_times(answer: httpx2.Response) -> dict[str, Any]:
    """Return a student of a response without its creation and update times."""
    return {field: value for field, value in answer.json().items() if field not in TIMES}
