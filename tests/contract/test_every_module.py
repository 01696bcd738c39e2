"""The contracts that every module must keep: these tests run for each folder of `modules/`, including future ones."""

import importlib
from types import ModuleType

import pytest
from fastapi.testclient import TestClient

from core.module import Module
from tests.contract import behaviour, declaration, live, messages, observed
from tests.contract.declaration import MongoDatabase
from tests.contract.documentation import CONTRACTS, Contract
from tests.contract.error_codes import declares_the_codes_it_uses, uses_the_codes_it_declares
from tests.contract.exceptions import unexcused
from tests.contract.isolation import SOURCES, isolated
from tests.contract.operations import Operation
from tests.contract.samples import accepts_its_sample_call
from tests.contract.traffic import Traffic


@pytest.fixture(scope="module")
def package(module: Module) -> ModuleType:
    return importlib.import_module(SOURCES[module.name].package)


def test_the_declaration_is_complete(module: Module, package: ModuleType) -> None:
    assert list(declaration.is_declared(module, package)) == []


def test_no_other_module_has_the_same_names_or_routes(module: Module) -> None:
    assert list(declaration.has_no_conflicts(module)) == []


def test_the_public_names_are_listed(module: Module, package: ModuleType) -> None:
    assert list(declaration.lists_its_public_names(module, package)) == []


def test_the_documents_are_declared(module: Module, package: ModuleType) -> None:
    assert list(declaration.declares_its_documents(module, package)) == []


def test_the_settings_are_documented(module: Module) -> None:
    assert list(declaration.documents_its_settings(module)) == []


def test_the_codes_of_errors_are_declared(module: Module) -> None:
    assert [*declares_the_codes_it_uses(module), *uses_the_codes_it_declares(module)] == []


def test_the_problems_are_explained(module: Module) -> None:
    assert list(declaration.explains_its_problems(module)) == []


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_each_route_is_documented(contract: Contract, module: Module, operations: list[Operation]) -> None:
    gaps = [(operation, gap) for operation in operations for gap in contract(operation)]
    assert unexcused(module.name, contract.__name__, gaps) == []


def test_operation_ids_are_unique(operations: list[Operation]) -> None:
    names = [operation.spec.get("operationId") for operation in operations]
    assert sorted(set(names), key=str) == sorted(names, key=str)


def test_the_module_starts_alone(module: Module, running: TestClient) -> None:
    assert running.get("/readyz").status_code == 200
    paths = running.get("/openapi.json").json()["paths"].values()
    tags = {tag for path in paths for operation in path.values() for tag in operation["tags"]}
    assert tags <= {"service", module.name}


@pytest.mark.usefixtures("running")
def test_only_declared_collections_are_created(module: Module, database: MongoDatabase) -> None:
    assert list(declaration.owns_its_collections(isolated(module), database)) == []


@pytest.mark.usefixtures("running")
def test_the_indexes_exist_after_the_start(module: Module, database: MongoDatabase) -> None:
    assert list(declaration.has_its_indexes(module, database)) == []


@pytest.mark.parametrize(
    "contract",
    [
        behaviour.refuses_invalid_tokens,
        behaviour.refuses_wrong_parameters,
        behaviour.refuses_unknown_parameters,
        behaviour.refuses_a_wrong_body,
        behaviour.refuses_an_unknown_encoding,
        behaviour.forbids_caching,
        messages.explains_wrong_values,
        behaviour.announces_deprecation,
    ],
    ids=lambda contract: contract.__name__,
)
def test_each_route_refuses_invalid_requests(
    contract: behaviour.Contract, module: Module, operations: list[Operation], running: TestClient
) -> None:
    gaps = [(operation, gap) for operation in operations for gap in contract(operation, running)]
    assert unexcused(module.name, contract.__name__, gaps) == []


def test_each_post_is_carried_out_once_for_each_key(
    module: Module, operations: list[Operation], running: TestClient, database: MongoDatabase
) -> None:
    live.create(live.Session(running, database), operations)
    contract = behaviour.carries_out_a_repeated_request_once
    gaps = [(operation, gap) for operation in operations for gap in contract(operation, running)]
    assert unexcused(module.name, contract.__name__, gaps) == []


@pytest.mark.parametrize("contract", live.CONTRACTS, ids=lambda contract: contract.__name__)
def test_each_example_succeeds_and_no_response_contains_internal_fields(
    contract: live.Contract, module: Module, operations: list[Operation], session: live.Session
) -> None:
    gaps = [(operation, gap) for operation in operations for gap in contract(operation, session)]
    assert unexcused(module.name, contract.__name__, gaps) == []


@pytest.mark.parametrize("contract", observed.CONTRACTS, ids=lambda contract: contract.__name__)
@pytest.mark.usefixtures("session")
def test_the_service_works_as_declared(
    contract: observed.Contract, module: Module, operations: list[Operation], traffic: Traffic, database: MongoDatabase
) -> None:
    gaps = [(operation, gap) for operation in operations for gap in contract(operation, traffic, database)]
    assert unexcused(module.name, contract.__name__, gaps) == []


def test_the_sample_calls_of_the_documentation_work(
    module: Module, operations: list[Operation], running: TestClient, database: MongoDatabase
) -> None:
    gaps = []
    for operation in operations:
        live.create(live.Session(running, database), operations)
        gaps += [(operation, gap) for gap in accepts_its_sample_call(operation, running)]
    assert unexcused(module.name, accepts_its_sample_call.__name__, gaps) == []


def test_each_route_is_counted(operations: list[Operation], running: TestClient) -> None:
    wrong = [f"{operation}: {gap}" for operation in operations for gap in behaviour.is_counted(operation, running)]
    assert wrong == []
