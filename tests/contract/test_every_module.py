"""What every module owes, whoever wrote it: this suite runs over all folders of `modules/`, future ones too."""

import importlib
from types import ModuleType

import pytest
from fastapi.testclient import TestClient

from core.module import Module
from tests.contract import behaviour, declaration, live
from tests.contract.alone import alone
from tests.contract.declaration import MongoDatabase
from tests.contract.documentation import CONTRACTS, Contract, broken
from tests.contract.operations import Operation, operations_of


@pytest.fixture(scope="module")
def package(module: Module) -> ModuleType:
    return importlib.import_module(f"modules.{module.name}")


@pytest.fixture(scope="module")
def operations(module: Module) -> list[Operation]:
    return operations_of(module)


def test_it_declares_itself(module: Module, package: ModuleType) -> None:
    assert list(declaration.is_declared(module, package)) == []


def test_it_names_what_others_may_use(module: Module, package: ModuleType) -> None:
    assert list(declaration.names_what_others_may_use(module, package)) == []


def test_it_declares_its_documents(module: Module, package: ModuleType) -> None:
    assert list(declaration.declares_its_documents(module, package)) == []


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_each_route_is_documented(contract: Contract, operations: list[Operation]) -> None:
    assert broken(contract, operations) == []


def test_no_two_routes_have_one_name(operations: list[Operation]) -> None:
    names = [operation.spec.get("operationId") for operation in operations]
    assert sorted(set(names), key=str) == sorted(names, key=str)


def test_it_boots_alone(module: Module, running: TestClient) -> None:
    assert running.get("/readyz").status_code == 200
    paths = running.get("/openapi.json").json()["paths"].values()
    tags = {tag for path in paths for operation in path.values() for tag in operation["tags"]}
    assert tags <= {"service", module.name}


@pytest.mark.usefixtures("running")
def test_it_owns_its_collections(module: Module, database: MongoDatabase) -> None:
    assert list(declaration.owns_its_collections(alone(module), database)) == []


@pytest.mark.usefixtures("running")
def test_its_indexes_exist_after_the_start(module: Module, database: MongoDatabase) -> None:
    assert list(declaration.has_its_indexes(module, database)) == []


@pytest.mark.parametrize(
    "contract",
    [
        behaviour.refuses_strangers,
        behaviour.refuses_wrong_parameters,
        behaviour.refuses_a_wrong_body,
        behaviour.refuses_an_unknown_encoding,
        behaviour.stays_out_of_caches,
    ],
    ids=lambda contract: contract.__name__,
)
def test_each_route_refuses(contract: behaviour.Contract, operations: list[Operation], running: TestClient) -> None:
    wrong = [f"{operation}: {gap}" for operation in operations for gap in contract(operation, running)]
    assert wrong == []


def test_its_answers_hide_the_inside(operations: list[Operation], running: TestClient, database: MongoDatabase) -> None:
    talk = live.Talk(running, database)
    live.ask_everything(talk, operations)
    assert live.gaps(talk, operations) == []


def test_each_route_is_measured(operations: list[Operation], running: TestClient) -> None:
    wrong = [f"{operation}: {gap}" for operation in operations for gap in behaviour.is_measured(operation, running)]
    assert wrong == []
