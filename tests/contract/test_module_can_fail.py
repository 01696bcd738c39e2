"""Each contract about declarations and behaviour is broken on purpose, and says so."""

import dataclasses
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from beanie import Document
from fastapi import APIRouter, Request, Response
from fastapi.testclient import TestClient
from pymongo import IndexModel

from core.module import Module
from core.routing.router import ProtectedRouter
from tests.contract import behaviour, declaration, notes
from tests.contract.alone import MODULES, alone
from tests.contract.behaviour import (
    is_measured,
    refuses_a_wrong_body,
    refuses_an_unknown_encoding,
    refuses_strangers,
    refuses_wrong_parameters,
    stays_out_of_caches,
)
from tests.contract.conftest import started
from tests.contract.declaration import MongoDatabase
from tests.contract.operations import Operation, operations_of

SOUND = notes.notes()
REFUSALS = [refuses_strangers, refuses_wrong_parameters, refuses_a_wrong_body, refuses_an_unknown_encoding]


def package(**contents: Any) -> ModuleType:
    """The package `modules.notes`, made up."""
    made = ModuleType("modules.notes")
    vars(made).update({"module": SOUND, "__all__": ["module"], **contents})
    return made


def test_a_module_without_a_description_is_found() -> None:
    assert "is described in no sentence" in list(declaration.is_declared(notes.notes(description=""), package()))


class Undeclared(Document):
    class Settings:
        name = "undeclared"


class Nameless(Document):
    text: str


class Doubled(Document):
    text: str

    class Settings:
        name = "doubled"
        indexes = [IndexModel([("text", 1)], name="rising"), IndexModel([("text", -1)], name="falling")]


@pytest.fixture
def in_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these documents be the module's own."""
    for document in (notes.Note, Undeclared, Nameless, Doubled):
        monkeypatch.setattr(document, "__module__", "modules.notes.models")


@pytest.mark.usefixtures("in_notes")
def test_what_is_wrong_with_a_declaration_is_found() -> None:
    assert list(declaration.is_declared(notes.notes(name="other"), package())) == [
        "is named other in the folder modules.notes",
        "has no tests/other/",
    ]
    assert list(declaration.names_what_others_may_use(SOUND, package(__all__=["Note", "_hidden"]))) == [
        "has an __all__ without 'module', or with a name twice",
        "has Note in __all__, which is not there or not for others",
        "has _hidden in __all__, which is not there or not for others",
    ]
    documents = list(declaration.declares_its_documents(notes.notes(documents=(notes.Note, Nameless)), package()))
    assert documents == [
        "does not declare Undeclared, so it has no collection",
        "does not declare Doubled, so it has no collection",
        "does not name the collection of Nameless",
    ]


def test_what_another_module_takes_unasked_is_found() -> None:
    students = ModuleType("modules.students")
    vars(students).update({"module": 1, "__all__": ["module"]})
    missing = list(declaration.names_what_others_may_use(Module(name="students"), students))
    assert "does not have StudentDocument in __all__, which another module imports" in missing


def test_a_document_of_another_module_is_found() -> None:
    assert "declares Note, which is not its own" in list(declaration.declares_its_documents(SOUND, package()))


def test_a_module_brings_the_documents_of_those_that_it_uses() -> None:
    (transfers,) = [module for module in MODULES if module.name == "transfers"]
    own, *companions = alone(transfers)
    assert own.router
    assert "students" in {companion.name for companion in companions}
    assert all(companion.documents and not companion.router for companion in companions)


@pytest.fixture
def fails_in_use(database: MongoDatabase, mongodb_url: str) -> Iterator[TestClient]:
    """An app of a module whose index is not made, whose collection is another's, and whose routes let all pass."""

    def declare(router: ProtectedRouter, public: APIRouter) -> None:
        @public.get("/open/{number}")
        async def read_open(number: str, request: Request) -> Response:
            """Read anything."""
            await request.body()
            return Response("all of it", headers={"Cache-Control": "max-age=60"})

        public.add_api_route("/open/{number}", read_open, methods=["PUT"])

    with started(notes.notes(declare, documents=(Doubled,)), database, mongodb_url) as client:
        yield client


def test_an_index_that_beanie_swallows_is_found(fails_in_use: TestClient, database: MongoDatabase) -> None:
    module = notes.notes(documents=(Doubled,))
    assert list(declaration.has_its_indexes(module, database)) in (
        ["has no index rising in the collection doubled"],
        ["has no index falling in the collection doubled"],
    )


def test_an_index_of_other_options_is_found(fails_in_use: TestClient, database: MongoDatabase) -> None:
    database["notes"].create_index("text", name="text_unique")
    assert list(declaration.has_its_indexes(SOUND, database)) == [
        "has another index text_unique in the collection notes than it declares"
    ]


def test_a_collection_that_is_not_declared_is_found(fails_in_use: TestClient, database: MongoDatabase) -> None:
    database["extra"].insert_one({})
    module = notes.notes(documents=(Doubled,))
    assert list(declaration.owns_its_collections([module], database)) == [
        "makes the collection extra, which it does not declare"
    ]


@pytest.mark.parametrize("contract", [*REFUSALS, stays_out_of_caches])
def test_routes_that_refuse_are_not_blamed(contract: behaviour.Contract, fails_in_use: TestClient) -> None:
    assert [gap for operation in operations_of(SOUND) for gap in contract(operation, fails_in_use)] == []


@pytest.mark.parametrize("contract", REFUSALS)
def test_a_route_that_lets_all_pass_is_found(contract: behaviour.Contract, fails_in_use: TestClient) -> None:
    (replace,) = [operation for operation in operations_of(SOUND) if operation.method == "PUT"]
    for path in ("/open/{number}", "/nowhere/{number}"):
        assert list(contract(promised_at(path, replace), fails_in_use)), path


def test_an_answer_that_caches_may_keep_is_found(fails_in_use: TestClient) -> None:
    operations = [operation for operation in operations_of(SOUND) if operation.path == "/notes/{number}"]
    gaps = [gap for one in operations for gap in stays_out_of_caches(promised_at("/open/{number}", one), fails_in_use)]
    assert "answers 200 to GET for caches to keep" in gaps


def test_a_route_that_is_not_measured_is_found(fails_in_use: TestClient) -> None:
    (replace,) = [operation for operation in operations_of(SOUND) if operation.method == "PUT"]
    assert list(is_measured(promised_at("/open/{number}", replace), fails_in_use)) == []
    assert list(is_measured(promised_at("/nowhere/{number}", replace), fails_in_use))


def promised_at(path: str, operation: Operation) -> Operation:
    """The same promises for another address, where nobody keeps them."""
    document = {**operation.document, "paths": {path: operation.document["paths"][operation.path]}}
    return dataclasses.replace(operation, path=path, document=document)
