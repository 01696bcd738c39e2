"""The servers that `benchmarks.run` compares: each a process of its own, with the same students in a database of its
own, all on one mongod."""

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
from modules.students.schemas import StudentRead
from tests.processes import ROOT
from tests.servers import Server, launch

SERVICE, FLOOR, TUTORIAL, NAIVE = "service", "floor", "tutorial", "naive"
NAMES = (FLOOR, SERVICE, TUTORIAL, NAIVE)
TIMES = ("created_at", "updated_at")


@dataclass(frozen=True)
class Peer:
    """A running server with somebody signed in. `threads` is how many Motor has, where that was chosen."""

    name: str
    server: Server
    client: httpx2.Client
    threads: str = ""

    def load(self, scenario: Scenario, ground: "Ground", connections: int) -> Load:
        """A scenario at this server; for how long, and with which numbers, is still to say."""
        token = self.client.headers["Authorization"].partition(" ")[2]
        return Load(scenario, self.server.url, token, ground.students, 0, 0, connections)

    def ask(self, scenario: Scenario, ground: "Ground", number: int) -> httpx2.Response:
        """One request of the scenario; raises `UnexpectedStatus`."""
        load = self.load(scenario, ground, 1)
        path, body = load.filled(scenario.path, number), load.filled(scenario.body, number)
        answer = self.client.request(scenario.method, path, content=body, headers={"Content-Type": scenario.kind})
        return expect(answer, scenario.status)


@dataclass(frozen=True)
class Ground:
    """What all peers stand on: the database server, a folder, and what was asked for."""

    embedded: Embedded
    folder: Path
    students: int
    cost: int
    workers: int


@contextmanager
def open_peer(ground: Ground, name: str, threads: str = "") -> Iterator[Peer]:
    """A peer, full of students. It ends with the context, its database does not."""
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
    """What Python runs. The floor does not log requests; the others do, as whoever starts them gets it."""
    if name == SERVICE and workers == 1:
        return [str(ROOT / "main.py")]
    options = {SERVICE: ["--no-proxy-headers"], FLOOR: ["--no-access-log"]}.get(name, [])
    app = ["main:app" if name == SERVICE else f"benchmarks.{name}:app", *options]
    return ["-m", "uvicorn", *app, "--app-dir", str(ROOT), "--port", "0", "--workers", str(workers)]


def fill_plainly(database: Database[dict[str, Any]], size: int) -> None:
    """Store the students with nothing but what is answered, and the indexes that the scenarios call for."""
    rows = [{field: row[field] for field in StudentRead.model_fields} for row in students(size)]
    database.students.insert_many(rows)
    orders = ("branch", "name", "roll_no")
    indexes = [IndexModel("roll_no", unique=True), IndexModel([(field, 1) for field in orders])]
    database.students.create_indexes(indexes)


def check_alike(peers: list[Peer], ground: Ground) -> None:
    """See that all answer the same before anything is timed: the floor to the byte, other than times and tokens."""
    service, *others = sorted(peers, key=lambda peer: peer.name != SERVICE)
    for number, scenario in enumerate(SCENARIOS):  # reads come first, while all hold the same
        known = service.ask(scenario, ground, number)
        for peer in others:
            answer = peer.ask(scenario, ground, number)
            said = f"{scenario.name}: {peer.name} says {answer.text}, the service {known.text}"
            if scenario.name == "login":
                assert peer.name != FLOOR or answer.json().keys() == known.json().keys(), said
            elif scenario.method == "GET":
                assert answer.content == known.content if peer.name == FLOOR else answer.json() == known.json(), said
            else:
                assert without_times(answer) == without_times(known), said
        assert not scenario.rows or len(known.json()) == scenario.rows, f"{scenario.name}: too few students"


def without_times(answer: httpx2.Response) -> dict[str, Any]:
    """A student as answered, but for when it was made and changed."""
    return {field: value for field, value in answer.json().items() if field not in TIMES}
