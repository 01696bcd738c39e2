"""Each contract on declarations and responses finds a deliberate violation."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import date
from secrets import token_hex
from types import ModuleType
from typing import Annotated, Any

import pytest
from beanie import Document
from fastapi import APIRouter, Query, Request, Response
from fastapi.testclient import TestClient
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError
from pymongo import IndexModel

from core.api.validation_messages import SENTENCES
from core.module import Module
from core.routing.deprecation import deprecation
from core.routing.router import ProtectedRouter
from tests.conftest import AppClient
from tests.contract import behaviour, declaration, notes
from tests.contract.behaviour import (
    announces_deprecation,
    carries_out_a_repeated_request_once,
    forbids_caching,
    is_counted,
    refuses_a_wrong_body,
    refuses_an_unknown_encoding,
    refuses_invalid_tokens,
    refuses_unknown_parameters,
    refuses_wrong_parameters,
)
from tests.contract.conftest import started
from tests.contract.declaration import MongoDatabase
from tests.contract.error_codes import declares_the_codes_it_uses, uses_the_codes_it_declares
from tests.contract.isolation import MODULES, isolated
from tests.contract.messages import explains_wrong_values
from tests.contract.operations import Operation, operations_of
from tests.core.stubs import SIGNED_IN
from tests.direct_client import DirectClient

VALID = notes.notes_module()
REFUSALS = [
    refuses_invalid_tokens,
    refuses_wrong_parameters,
    refuses_unknown_parameters,
    refuses_a_wrong_body,
    refuses_an_unknown_encoding,
]


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


def package(**contents: Any) -> ModuleType:
    """Make a stand-in for the package `modules.notes`."""
    made = ModuleType("modules.notes")
    vars(made).update({"module": VALID, "__all__": ["module"], **contents})
    return made


def test_a_module_without_a_description_is_found() -> None:
    assert "has no description that ends with a full stop" in list(
        declaration.is_declared(notes.notes_module(description=""), package())
    )


def test_a_conflict_with_another_module_is_found() -> None:
    def declare(router: ProtectedRouter, _: APIRouter) -> None:
        @router.get("/students/top")
        async def read_top() -> notes.NoteRead:
            """Read the note about the best student."""
            return notes.NoteRead(text="a")

    (conflict,) = declaration.has_no_conflicts(notes.notes_module(declare))
    assert all(f"{route} of " in conflict for route in ("GET /students/top", "GET /students/{roll_no}"))
    assert list(declaration.has_no_conflicts(VALID)) == []


class Undeclared(Document):
    class Settings:
        name = "undeclared"


class Nameless(Document):
    text: str


class WithTwoIndexes(Document):
    one: str
    other: str

    class Settings:
        name = "doubled"
        indexes = [
            IndexModel([("one", 1), ("other", 1)], name="unique", unique=True),
            IndexModel([("other", 1), ("one", 1)], name="reversed"),
        ]


@pytest.fixture
def in_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these documents belong to the module."""
    for document in (notes.Note, Undeclared, Nameless, WithTwoIndexes):
        monkeypatch.setattr(document, "__module__", "modules.notes.models")


@pytest.mark.usefixtures("in_notes")
def test_an_invalid_declaration_is_found() -> None:
    assert list(declaration.is_declared(notes.notes_module(name="other"), package())) == [
        "is named other, but its package is modules.notes: rename one of them",
        "has no tests/other/: add tests of its own",
    ]
    assert list(declaration.lists_its_public_names(VALID, package(__all__=["Note", "_hidden"]))) == [
        "has an __all__ without 'module', or with a duplicate name: mend __all__",
        "lists Note in __all__, which does not exist or is private: remove it",
        "lists _hidden in __all__, which does not exist or is private: remove it",
    ]
    documents = list(
        declaration.declares_its_documents(notes.notes_module(documents=(notes.Note, Nameless)), package())
    )
    assert documents == [
        "does not declare Undeclared of modules.notes.models: add it to documents",
        "does not declare WithTwoIndexes of modules.notes.models: add it to documents",
        "does not name the collection of Nameless at modules.notes.models: add it to its Settings",
    ]


def test_a_name_that_another_module_imports_but_is_not_listed_is_found() -> None:
    students = ModuleType("modules.students")
    vars(students).update({"module": 1, "__all__": ["module"]})
    missing = list(declaration.lists_its_public_names(Module(name="students"), students))
    assert "does not list StudentDocument in __all__, which another module imports: add it" in missing


def test_codes_that_are_not_declared_or_not_used_are_found() -> None:
    codes = {"mark_type": "It is used by students.", "unheard_of": "No error has it."}
    students = Module(name="students", error_codes=codes)
    assert list(uses_the_codes_it_declares(students)) == [
        "declares the code unheard_of, which no error has: remove it from error_codes"
    ]
    line = r"uses the code mark_\w+ at modules/students/\S+, line \d+: explain it in error_codes"
    assert [gap for gap in declares_the_codes_it_uses(Module(name="students")) if re.fullmatch(line, gap)]


def test_a_document_of_another_module_is_found() -> None:
    (gap,) = declaration.declares_its_documents(VALID, package())
    assert re.fullmatch(r"declares Note, which another package defines at tests/contract/notes\.py, line \d+: .*", gap)


def test_an_isolated_module_has_the_documents_of_the_modules_that_it_uses() -> None:
    (transfers,) = [module for module in MODULES if module.name == "transfers"]
    own, *companions = isolated(transfers)
    assert own.router
    assert "students" in {companion.name for companion in companions}
    assert all(companion.documents and not companion.router for companion in companions)


def _refuse_nothing(router: ProtectedRouter, public: APIRouter) -> None:
    @public.get("/open/{number}")
    async def read_open(number: str, query: Annotated[Anything, Query()], request: Request) -> Response:
        """Read anything."""
        await request.body()
        return Response("all of it", headers={"Cache-Control": "max-age=60"})

    public.add_api_route("/open/{number}", read_open, methods=["PUT", "POST"])

    @public.post("/random/{number}")
    async def draw(number: str) -> str:
        """Draw a random text."""
        return token_hex()


INVALID = tuple(isolated(notes.notes_module(_refuse_nothing)))


@pytest.fixture
def invalid_app(open_client: AppClient, database: MongoDatabase) -> TestClient:
    """Return a client of an app of a module that refuses no request. Its database is its own, because other tests have
    other documents in a collection of this name."""
    client = open_client(modules=INVALID, mongodb_database=f"{database.name}_notes")
    client.headers |= SIGNED_IN
    return client


def test_no_other_app_runs_beside_that_of_the_contract(
    invalid_app: DirectClient, database: MongoDatabase, mongodb_url: str
) -> None:
    with started(VALID, database, mongodb_url), pytest.raises(RuntimeError, match="not running"):
        invalid_app.get("/healthz")


@pytest.fixture
def with_indexes(database: MongoDatabase, mongodb_url: str) -> Iterator[None]:
    """Start an app of a module with two documents, in the database of the contract."""
    module = notes.notes_module(documents=(notes.Note, WithTwoIndexes))
    with started(module, database, mongodb_url):
        yield


def missing(module: Module, database: MongoDatabase) -> list[str]:
    """Return what is found about indexes, up to the place of the declaration."""
    return [gap.partition(", unlike tests/contract/")[0] for gap in declaration.has_its_indexes(module, database)]


@pytest.mark.usefixtures("with_indexes")
def test_a_missing_index_is_found(database: MongoDatabase) -> None:
    module = notes.notes_module(documents=(WithTwoIndexes,))
    assert list(declaration.has_its_indexes(module, database)) == []
    database["doubled"].drop_index("unique")
    assert missing(module, database) == ["has no index unique in the collection doubled"]
    database["doubled"].create_index([("other", 1), ("one", 1)], name="unique", sparse=True, unique=True)
    assert missing(module, database) == ["has no index unique in the collection doubled"]


@pytest.mark.usefixtures("with_indexes")
def test_an_index_with_other_options_is_found(database: MongoDatabase) -> None:
    database["notes"].drop_index("text_unique")
    database["notes"].create_index("text", name="text_unique")
    assert missing(VALID, database) == ["has an index text_unique in the collection notes with undeclared options"]


@pytest.mark.usefixtures("with_indexes")
def test_an_undeclared_collection_is_found(database: MongoDatabase) -> None:
    database["extra"].insert_one({})
    module = notes.notes_module(documents=(notes.Note, WithTwoIndexes))
    assert list(declaration.owns_its_collections([module], database)) == [
        "creates the collection extra, which it does not declare: add its document to documents"
    ]


@pytest.mark.parametrize(
    "contract", [*REFUSALS, forbids_caching, carries_out_a_repeated_request_once, explains_wrong_values]
)
def test_valid_routes_have_no_violations(contract: behaviour.Contract, invalid_app: TestClient) -> None:
    assert [gap for operation in operations_of(VALID) for gap in contract(operation, invalid_app)] == []


@pytest.mark.parametrize("contract", REFUSALS)
def test_a_route_that_refuses_nothing_is_found(contract: behaviour.Contract, invalid_app: TestClient) -> None:
    (replace,) = [operation for operation in operations_of(VALID) if operation.method == "PUT"]
    for path in ("/open/{number}", "/nowhere/{number}"):
        assert list(contract(moved_to(path, replace), invalid_app)), path


def test_a_number_that_cannot_be_stored_but_is_accepted_is_found(invalid_app: TestClient) -> None:
    (read,) = [operation for operation in operations_of(VALID) if str(operation) == "GET /notes/{number}"]
    gaps = list(refuses_wrong_parameters(moved_to("/open/{number}", read), invalid_app))
    assert [gap.partition(" to ")[2] for gap in gaps] == [
        "number=wrong type",
        "number=9223372036854775808",
        "If-None-Match=wrong tag",
    ]


def test_a_route_that_ignores_idempotency_keys_is_found(invalid_app: TestClient) -> None:
    (copy,) = [operation for operation in operations_of(VALID) if operation.method == "POST"]
    other = "answers 200 to another request with the same Idempotency-Key"
    again = "answers 200 to a repeated request that it first answered with 200"
    for path, gaps in (("/open/{number}", [other]), ("/random/{number}", [again, other])):
        assert list(carries_out_a_repeated_request_once(moved_to(path, copy), invalid_app)) == gaps


def _refuse(text: str) -> str:
    if text == "x":
        raise PydanticCustomError("undeclared", "Value error, this is wrong.")
    if text == "true":
        raise ValueError("this is wrong, too")
    if text == "-1":
        raise KeyError
    return text


@pytest.fixture
def unexplained(database: MongoDatabase, mongodb_url: str) -> Iterator[TestClient]:
    """Start an app of a module whose errors have codes that are not declared, or a library's sentence."""
    with started(notes.notes_module(_declare_unexplained), database, mongodb_url) as client:
        yield client


def _declare_unexplained(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/found")
    async def find(text: Annotated[str, AfterValidator(_refuse)]) -> Response:
        """Find a note."""
        return Response(text)


def test_an_error_that_is_not_explained_is_found(unexplained: TestClient) -> None:
    (find,) = [one for one in operations_of(notes.notes_module(_declare_unexplained)) if one.path == "/found"]
    assert [re.split(" for {| to {", gap)[0] for gap in explains_wrong_values(find, unexplained)] == [
        "returns the undeclared code undeclared: Value error, this is wrong.",
        "returns a library's sentence: Value error, this is wrong.",
        "answers 500",
        f"returns the undeclared code invalid: {SENTENCES['invalid']}",
    ]


def test_a_response_that_may_be_cached_is_found(invalid_app: TestClient) -> None:
    operations = [operation for operation in operations_of(VALID) if operation.path == "/notes/{number}"]
    gaps = [gap for one in operations for gap in forbids_caching(moved_to("/open/{number}", one), invalid_app)]
    assert "answers 200 to GET without Cache-Control: no-store" in gaps


def old(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/old", deprecated=deprecation(since=date(2026, 11, 1), sunset=date(2027, 11, 1)))
    async def read_old() -> notes.NoteRead:
        """Read an old note."""
        return notes.NoteRead(text="old")


def test_a_deprecation_that_is_not_announced_is_found(
    invalid_app: TestClient, database: MongoDatabase, mongodb_url: str
) -> None:
    module = notes.notes_module(old)
    (read_old,) = [operation for operation in operations_of(module) if operation.path == "/old"]

    assert (
        list(announces_deprecation(read_old, invalid_app))
        == ["answers 404 with the headers [], not ['deprecation', 'sunset']"] * 2
    )
    with started(module, database, mongodb_url) as client:
        assert [gap for one in operations_of(module) for gap in announces_deprecation(one, client)] == []


def test_a_route_that_is_not_counted_is_found(invalid_app: TestClient) -> None:
    (replace,) = [operation for operation in operations_of(VALID) if operation.method == "PUT"]
    assert list(is_counted(moved_to("/open/{number}", replace), invalid_app)) == []
    assert list(is_counted(moved_to("/nowhere/{number}", replace), invalid_app))


def moved_to(path: str, operation: Operation) -> Operation:
    """Return the operation with the same documentation but another path, where no route does what it documents."""
    document = {**operation.document, "paths": {path: operation.document["paths"][operation.path]}}
    return dataclasses.replace(operation, path=path, document=document)
