"""Tests of migrations: they run once, by one runner at a time, before a service that needs them starts."""

import asyncio
import importlib
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from beanie import Document
from pymongo import MongoClient
from pymongo.database import Database as RealDatabase

import core.database.lease
import core.migrations.applied
import core.migrations.runner
from core.clock import utc_now
from core.database.client import Database, open_database
from core.errors import StartupError
from core.migrations import check
from core.migrations.applied import Migration, mark_unneeded, pending
from core.migrations.runner import run
from core.module import Module
from core.settings import Settings
from tests.core.stubs import stub

Answer = TypeVar("Answer")
OnDatabase = Callable[[Callable[[Database], Awaitable[Any]]], Any]
MakeModule = Callable[..., Module]

COUNT = """
from beanie import Document, free_fall_migration

class Stored(Document):
    class Settings:
        name = "sheep"

class Forward:
    @free_fall_migration(document_models=[Stored])
    async def count(self, session):
        await Stored.find({{}}).update({{"$push": {{"had": "{name}"}}}})
"""
RENAME = """
from beanie import Document, iterative_migration

class Before(Document):
    called: str
    class Settings:
        name = "sheep"

class After(Document):
    name: str
    class Settings:
        name = "sheep"

class Forward:
    @iterative_migration()
    async def rename(self, input_document: Before, output_document: After):
        output_document.name = input_document.called
"""
FAIL = (
    COUNT
    + """
        raise RuntimeError("the barn is shut")
"""
)


class Sheep(Document):
    class Settings:
        name = "sheep"


@pytest.fixture
def sheep(settings: Settings) -> Iterator[RealDatabase[dict[str, Any]]]:
    """Return the database, with one sheep to which no migration has been applied."""
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        database.sheep.insert_one({"called": "Dolly", "had": []})
        yield database


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeModule]:
    """Return a function that makes a module with the given migrations, as a mapping of name to source."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make(**texts: str) -> Module:
        package = f"migrations_{uuid.uuid4().hex}"
        made.append(package)
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text.format(name=name) if "{name}" in text else text)
        importlib.invalidate_caches()
        return stub(name="farm", documents=(Sheep,), migrations=importlib.import_module(package))

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


@pytest.fixture
def on_database(settings: Settings) -> OnDatabase:
    def on_database(work: Callable[[Database], Awaitable[Answer]]) -> Answer:
        async def do() -> Answer:
            async with open_database(settings) as database:
                return await work(database)

        return asyncio.run(do())

    return on_database


def run_all(on_database: OnDatabase, module: Module, wait: float = 0) -> tuple[int, list[str]]:
    """Run the migrations. Return their number, and the reported lines."""
    lines: list[str] = []
    count = on_database(lambda database: run(database, [module], wait, lines.append))
    return count, lines


def had(sheep: RealDatabase[dict[str, Any]]) -> list[str]:
    found = sheep.sheep.find_one()
    assert found
    return list(found["had"])


def test_migrations_run_once_in_order(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    farm = module(m0002_b=COUNT, m0001_a=COUNT, m0003_c=COUNT, _draft="raise RuntimeError")

    first = run_all(on_database, farm)
    again = run_all(on_database, farm)

    assert first == (3, ["Running farm/m0001_a", "Running farm/m0002_b", "Running farm/m0003_c"])
    assert again == (0, [])
    assert had(sheep) == ["m0001_a", "m0002_b", "m0003_c"]
    on_database(lambda database: check(database, [farm], 0))


def test_an_iterative_migration_changes_each_document(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    run_all(on_database, module(m0001_names=RENAME))

    assert [row.get("name") for row in sheep.sheep.find()] == ["Dolly"]


def test_an_older_database_is_refused_with_a_remedy(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    farm = module(m0001_a=COUNT, m0002_b=COUNT)

    with pytest.raises(StartupError) as raised:
        on_database(lambda database: check(database, [farm], 0))

    assert "older than this code: it lacks the migrations farm/m0001_a, farm/m0002_b." in str(raised.value)
    assert str(raised.value).endswith("run: python -m core migrate")
    assert had(sheep) == []


def test_a_newer_database_is_refused(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    run_all(on_database, module(m0001_a=COUNT, m0002_b=COUNT))
    older_code = module(m0001_a=COUNT)

    for work in (
        lambda database: check(database, [older_code], 0),
        lambda database: run(database, [older_code], 0, print),
    ):
        with pytest.raises(StartupError, match="farm/m0002_b"):
            on_database(work)


def test_migrations_of_disabled_modules_are_ignored(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    run_all(on_database, module(m0001_a=COUNT))

    on_database(lambda database: check(database, [Module(name="another")], 0))


def test_a_module_without_data_has_no_pending_migrations(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    sheep.sheep.delete_many({})
    farm = module(m0001_a=COUNT)

    on_database(lambda database: check(database, [farm], 0))
    sheep.sheep.insert_one({"called": "Molly", "had": []})

    assert on_database(lambda database: pending(database, [farm])) == []


def test_a_collection_that_a_migration_reads_counts_as_data(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    farm = replace(module(m0001_a=COUNT), documents=())

    with pytest.raises(StartupError, match="farm/m0001_a"):
        on_database(lambda database: check(database, [farm], 0))


def test_listing_pending_migrations_writes_nothing(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    sheep.sheep.delete_many({})

    assert on_database(lambda database: pending(database, [module(m0001_a=COUNT)])) == []
    assert sheep.migrations.count_documents({}) == 0


def test_startup_can_wait_for_a_runner(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = module(m0001_a=COUNT)
    order: list[str] = []

    async def start_and_migrate(database: Database) -> None:
        waits = asyncio.Event()

        async def looked(database: Database, modules: Sequence[Module]) -> Sequence[Migration]:
            found = await mark_unneeded(database, modules)
            waits.set()
            return found

        monkeypatch.setattr(core.migrations.applied, "mark_unneeded", looked)
        starting = asyncio.create_task(check(database, [farm], 30))
        await waits.wait()
        assert not starting.done()
        await run(database, [farm], 0, order.append)
        await starting
        order.append("started")

    on_database(start_and_migrate)

    assert order == ["Running farm/m0001_a", "started"]


def test_a_failed_migration_is_run_again(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    with pytest.raises(StartupError, match=r"m0002_b.*RuntimeError: the barn is shut"):
        run_all(on_database, module(m0001_a=COUNT, m0002_b=FAIL))

    assert run_all(on_database, module(m0001_a=COUNT, m0002_b=COUNT)) == (1, ["Running farm/m0002_b"])
    assert had(sheep) == ["m0001_a", "m0002_b", "m0002_b"]


def test_a_file_without_a_migration_is_named_in_the_error(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    with pytest.raises(StartupError, match=r"m0001_a\b.*\bForward\b"):
        run_all(on_database, module(m0001_a=""))


def test_only_one_runner_runs_at_a_time(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    farm = module(m0001_a=COUNT, m0002_b=COUNT)

    async def four(database: Database) -> list[int]:
        return await asyncio.gather(*(run(database, [farm], 30, lambda _: None) for _ in range(4)))

    assert sorted(on_database(four)) == [0, 0, 0, 2]
    assert had(sheep) == ["m0001_a", "m0002_b"]


def lease_to_another(sheep: RealDatabase[dict[str, Any]], seconds: float) -> None:
    """Give the lease to another runner for some seconds."""
    sheep.leases.insert_one(
        {"_id": "migrations", "owner": "another", "expires_at": utc_now() + timedelta(seconds=seconds)}
    )


def test_a_runner_waits_no_longer_than_requested(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    lease_to_another(sheep, 60)

    with pytest.raises(StartupError, match=r"\banother\b"):
        run_all(on_database, module(m0001_a=COUNT))

    assert had(sheep) == []
    assert sheep.leases.count_documents({"owner": "another"}) == 1


def test_an_expired_lease_is_taken_over(
    on_database: OnDatabase, module: MakeModule, sheep: RealDatabase[dict[str, Any]]
) -> None:
    lease_to_another(sheep, 1)
    lines: list[str] = []

    count = on_database(lambda database: run(database, [module(m0001_a=COUNT)], 30, lines.append))

    assert (count, len(lines)) == (1, 2)
    assert "another" in lines[0]
    assert "farm/m0001_a" in lines[1]
    assert sheep.leases.count_documents({"expires_at": {"$gt": utc_now()}}) == 0


def test_a_runner_that_lost_its_lease_stops(
    on_database: OnDatabase,
    module: MakeModule,
    sheep: RealDatabase[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core.database.lease, "RENEW_SECONDS", 0.01)
    endless = COUNT + "        import asyncio\n        await asyncio.sleep(60)\n"

    def lose_lease(_: str) -> None:
        sheep.leases.update_one({}, {"$set": {"owner": "another"}})

    with pytest.raises(StartupError, match="runner"):
        on_database(lambda database: run(database, [module(m0001_a=endless)], 0, lose_lease))

    assert sheep.migrations.count_documents({}) == 0
    assert sheep.leases.count_documents({"owner": "another"}) == 1
