"""The contracts that every module must keep: these tests run for each folder of `modules/`, including future ones."""

import importlib
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

import pytest
from fastapi.testclient import TestClient

from core.module import Module
from tests.contract import behaviour, declaration, live, messages, observed
from tests.contract.declaration import MongoDatabase
from tests.contract.documentation import CONTRACTS, Contract
from tests.contract.error_codes import declares_the_codes_it_uses, uses_the_codes_it_declares
from tests.contract.exceptions import unexcused
from tests.contract.findings import found_in, report
from tests.contract.functions import functions_of
from tests.contract.isolation import SOURCES, isolated, place_of_declaration
from tests.contract.operations import Operation
from tests.contract.samples import accepts_its_sample_call
from tests.contract.traffic import Traffic


@pytest.fixture(scope="module")
def package(module: Module) -> ModuleType:
    return importlib.import_module(SOURCES[module.name].package)


def _declared(module: Module, gaps: Iterable[str]) -> Iterator[str]:
    """Yield each gap with the file and line of the declaration."""
    where = place_of_declaration(module)
    return (f"{where}: {gap}" for gap in gaps)


def test_the_declaration_is_complete(module: Module, package: ModuleType) -> None:
    report(_declared(module, declaration.is_declared(module, package)))


def test_no_other_module_has_the_same_names_or_routes(module: Module) -> None:
    report(_declared(module, declaration.has_no_conflicts(module)))


def test_the_public_names_are_listed(module: Module, package: ModuleType) -> None:
    report(_declared(module, declaration.lists_its_public_names(module, package)))


def test_what_the_files_define_is_declared(module: Module, package: ModuleType) -> None:
    found = [
        *declaration.declares_its_documents(module, package),
        *declaration.declares_what_it_defines(module, package),
    ]
    report(_declared(module, found))


def test_the_settings_are_documented(module: Module) -> None:
    report(_declared(module, declaration.documents_its_settings(module)))


def test_the_codes_of_errors_are_declared(module: Module) -> None:
    report(_declared(module, [*declares_the_codes_it_uses(module), *uses_the_codes_it_declares(module)]))


def test_the_problems_are_explained(module: Module) -> None:
    report(_declared(module, declaration.explains_its_problems(module)))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_each_route_is_documented(contract: Contract, module: Module, operations: list[Operation]) -> None:
    report(found_in(module, operations, [contract]))


def test_operation_ids_are_unique(operations: list[Operation]) -> None:
    first: dict[object, Operation] = {}
    for operation in operations:
        first.setdefault(operation.spec.get("operationId"), operation)
    report(
        f"{one} ({one.where}): has the operation id of {other} ({other.where}): rename one of the functions"
        for one in operations
        if (other := first[one.spec.get("operationId")]) is not one
    )


def test_the_module_starts_alone(module: Module, running: TestClient) -> None:
    where = place_of_declaration(module)
    ready = running.get("/readyz")
    if ready.status_code != 200:
        report([f"{where}: GET /readyz answers {ready.status_code}. {ready.json().get('detail', '')}"])
    paths = running.get("/openapi.json").json()["paths"].values()
    tags = {tag for path in paths for operation in path.values() for tag in operation["tags"]}
    report(f"{where}: has routes with the tag {tag}: remove tags=…" for tag in tags - {"service", module.name})


@pytest.mark.usefixtures("running")
def test_only_declared_collections_are_created(module: Module, database: MongoDatabase) -> None:
    report(_declared(module, declaration.owns_its_collections(isolated(module), database)))


@pytest.mark.usefixtures("running")
def test_the_indexes_exist_after_the_start(module: Module, database: MongoDatabase) -> None:
    report(_declared(module, declaration.has_its_indexes(module, database)))


REFUSALS: tuple[behaviour.Contract, ...] = (
    behaviour.refuses_invalid_tokens,
    behaviour.refuses_wrong_parameters,
    behaviour.refuses_unknown_parameters,
    behaviour.refuses_a_wrong_body,
    behaviour.refuses_an_unknown_encoding,
    behaviour.forbids_caching,
    messages.explains_wrong_values,
    behaviour.announces_deprecation,
)


def test_each_route_refuses_invalid_requests(module: Module, operations: list[Operation], running: TestClient) -> None:
    report(found_in(module, operations, REFUSALS, running))


def test_each_post_is_carried_out_once_for_each_key(
    module: Module, operations: list[Operation], running: TestClient, created: Callable[[], None]
) -> None:
    created()
    report(found_in(module, operations, [behaviour.carries_out_a_repeated_request_once], running))


def test_the_service_works_as_declared(
    module: Module, operations: list[Operation], session: live.Session, traffic: Traffic, database: MongoDatabase
) -> None:
    found = [*found_in(module, operations, live.CONTRACTS, session)]
    parts = [*operations, *functions_of(module)]
    report([*found, *found_in(module, parts, observed.CONTRACTS, traffic, database)])


def test_the_sample_calls_of_the_documentation_work(
    module: Module, operations: list[Operation], running: TestClient, created: Callable[[], None]
) -> None:
    gaps, is_changed = [], True
    for operation in operations:
        if is_changed:
            created()
        gaps += [(operation, gap) for gap in accepts_its_sample_call(operation, running)]
        is_changed = operation.method != "GET"
    report(unexcused(module.name, accepts_its_sample_call.__name__, gaps))


def test_each_route_is_counted(module: Module, operations: list[Operation], running: TestClient) -> None:
    report(found_in(module, operations, [behaviour.is_counted], running))
