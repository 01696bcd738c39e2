"""Tests of modules: how they are found, and which errors in them prevent startup."""

import argparse
import importlib
import os
import re
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pytest
from beanie import Document
from fastapi import APIRouter, FastAPI, Query, Response
from fastapi.testclient import TestClient
from pydantic import AliasChoices, AliasPath, BaseModel, Field
from pymongo.errors import AutoReconnect, OperationFailure

from core.__main__ import commands_of, main
from core.app import create_app
from core.command import OWN_COMMANDS, Command, parser_for
from core.errors import DatabaseUnreachable, StartupError
from core.identity import CurrentUser, Principal
from core.module import Module, in_order
from core.registry import discover
from core.routing import declared_routes, overlap
from core.routing.router import ProtectedRouter, PublicRouter
from core.settings import ModuleSettings, Settings
from tests.conftest import AppClient
from tests.core.stubs import stub, unstarted_client

Package = Callable[[dict[str, str | None]], str]

Router = TypeVar("Router", ProtectedRouter, PublicRouter)

DECLARED = "from core.module import Module\nmodule = Module(name={name!r})\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Return a function that creates a package with these folders. Each has this text as its `__init__.py`, or no such
    file if the text is None."""
    name = f"package_{uuid.uuid4().hex}"
    monkeypatch.syspath_prepend(tmp_path)

    def make(folders: dict[str, str | None]) -> str:
        for folder, text in {"": "", **folders}.items():
            path = tmp_path / name / folder
            path.mkdir(parents=True)
            if text is not None:
                (path / "__init__.py").write_text(text)
        return name

    yield make
    for loaded in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[loaded]


def test_the_modules_of_the_service_are_found() -> None:
    assert [module.name for module in discover()] == sorted(module.name for module in discover())
    assert {"auth", "students"} <= {module.name for module in discover()}


def test_modules_are_documented_by_position_and_then_by_name() -> None:
    modules = [stub(name="zebra"), stub(name="mango"), stub(name="first", position=1), stub(name="last", position=200)]
    assert [module.name for module in in_order(modules)] == ["first", "mango", "zebra", "last"]
    tags = create_app(Settings(), [stub(name="zebra", position=1), stub(name="mango", authenticator=None)]).openapi_tags
    assert tags
    assert [tag["name"] for tag in tags] == ["zebra", "mango", "service"]


def test_modules_are_found_in_sorted_order(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(sorted(listed(path), reverse=True)))
    names = ["zebra", "apple", "mango2", "mango10", "_private"]
    found = discover(package({name: DECLARED.format(name=name) for name in names}))
    assert [module.name for module in found] == ["apple", "mango10", "mango2", "zebra"]


def test_folders_that_are_not_modules_are_ignored(package: Package) -> None:
    assert discover(package({"__pycache__": None, ".git": None, "_drafts": "raise RuntimeError"})) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "module = Module(name='x'"),
        (None, "module = Module(name='x'"),
        ("module = 'x'", "module = Module(name='x'"),
        (DECLARED.format(name="y"), "'y'"),
        ("raise RuntimeError('oh')", "RuntimeError: oh"),
        ("import nowhere_at_all", "nowhere_at_all"),
        ("def", "SyntaxError: "),
        ("from core.module import Module\nmodule = Module(nmae='x')", "nmae"),
    ],
)
def test_the_error_names_a_broken_module(package: Package, text: str | None, named: str) -> None:
    name = package({"a": DECLARED.format(name="a"), "x": text})
    with pytest.raises(StartupError, match=re.escape(named)) as raised:
        discover(name)
    assert f"{name}/x/__init__.py" in str(raised.value)


DECLARING = """
from argparse import Namespace
from functools import partial
from beanie import Document
from core.command import Command
from core.events import Event, Follow
from core.module import Demo, Every, Module
from core.settings import ModuleSettings
EVENT = Event("a change")
class Thing(Document): ...
class Seats(ModuleSettings, env_prefix="X_SEATS_"): ...
def at_once(_=None): ...
async def work(): ...
async def handle(_): ...
async def search(): yield ""
async def search_for(_): yield ""
def crowd(parser): parser.add_argument("-h")
def percent(parser): parser.add_argument("share", help="100% of it")
def command(name="count", run=handle, help="", **declared):
    return Command(**{"name": name, "help": help, "add_arguments": lambda _: None, "run": run, **declared})
module = Module(name="x", {declared})
"""


NO_DATA_CHECKS = ("at_once", "work", "search()", "search_for", "'search'")

ADD_ARGUMENTS = {
    "None": "TypeError: 'NoneType' object is not callable",
    "lambda: None": "TypeError: .*takes 0 positional arguments but 1 was given",
    "work": "TypeError: it must not be async",
    "crowd": "ArgumentError: .*conflicting option string",
    "percent": r"\w+Error: .* write '%' as '%%'",
}


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ("jobs=Every(5, work)", r"jobs is no tuple. Write jobs=\(…,\), with a comma"),
        ("jobs=(Every(5, work))", r"jobs is no tuple. Write jobs=\(…,\), with a comma"),
        ("jobs=[Every(5, work)]", "jobs is no tuple"),
        ("jobs=(work,)", "jobs has <function work at .*, which is no Every"),
        ("follows=(Follow(EVENT, handle))", "follows is no tuple"),
        ("commands=command('count')", "commands is no tuple"),
        ("documents=(Thing)", "documents is no tuple"),
        ("documents=(Module,)", "documents has .*, which is no Document"),
        ("references=(Thing,)", "references has .*, which is no Reference"),
        ("jobs=(Every,)", "jobs has .*, which is no Every"),
        (
            "jobs=(Every(5, at_once),)",
            "work of Every must be an async function that takes no arguments; at_once is not",
        ),
        ("jobs=(Every(5, handle),)", "takes no arguments; handle is not"),
        ("jobs=(Every(5, partial(at_once)),)", "takes no arguments; functools.partial"),
        ("jobs=(Every(5, 'work'),)", "takes no arguments; 'work' is not"),
        ("jobs=(Every(0, work),)", "job work has the pause 0. Give a number of seconds above 0"),
        ("jobs=(Every(-5, work),)", "job work has the pause -5"),
        ("jobs=(Every('5', work),)", "job work has the pause '5'"),
        ("jobs=(Every(float('nan'), work),)", "job work has the pause nan"),
        ("jobs=(Every(2**63, work),)", "job work has the pause 9223372036854775808.* up to 31622400, a year"),
        ("follows=(Follow('x.EVENT', handle),)", "Follow has 'x.EVENT', which is no Event"),
        ("follows=(Follow(EVENT, at_once),)", "handler of Follow must be an async function that takes one argument"),
        ("follows=(Follow(EVENT, work),)", "handler of Follow must be an async function that takes one argument"),
        ("health_check=at_once", "health_check must be an async function that takes no arguments"),
        *((f"data_check={wrong}", "data_check must be an async generator that takes no") for wrong in NO_DATA_CHECKS),
        ("description=None", "description must be text"),
        ("description=5", "description must be text"),
        ("position='20'", "position must be a whole number"),
        ("position=1.5", "position must be a whole number"),
        ("migrations='x.migrations'", "migrations must be a package. Import the package, and write its name"),
        ("settings=Seats()", "settings must be a class that inherits from ModuleSettings. Write its name without"),
        ("settings='Seats'", "settings must be a class that inherits from ModuleSettings"),
        ("settings=Thing", "settings must be a class that inherits from ModuleSettings"),
        ("authenticator='work'", "authenticator must be a function that takes a token"),
        ("lifespan='work'", "lifespan must be a function with @asynccontextmanager"),
        ("lifespan=search()", "lifespan must be a function with @asynccontextmanager"),
        ("error_codes=None", "error_codes must be a dict of texts"),
        ("error_codes={'a'}", "error_codes must be a dict of texts"),
        ("error_codes=(('a', 'b'),)", "error_codes must be a dict of texts"),
        ("error_codes={'a': 5}", "error_codes must be a dict of texts"),
        ("demo=work", "demo must be a Demo"),
        ("demo=Demo(documents=(Thing,), fill=at_once)", "`fill` of Demo must be an async function that takes no"),
        ("demo=Demo(documents=(Thing), fill=work)", "documents of Demo is no tuple of documents"),
        ("demo=Demo(documents=('things',), fill=work)", "documents of Demo is no tuple of documents"),
        ("commands=(command('count things'),)", "'count things' is invalid. Use lower-case letters, digits and '-'"),
        ("commands=(command('--help'),)", "'--help' is invalid"),
        ("commands=(command(''),)", "'' is invalid"),
        ("commands=(command('count', at_once),)", "run` of the command count must be an async function"),
        ("commands=(command(5),)", "5 is invalid. Use lower-case letters"),
        ("commands=(command(help=None),)", "help of the command count must be text"),
        ("commands=(command(database='no'),)", "database of the command count must be True or False"),
        *(
            (f"commands=(command(add_arguments={wrong}),)", f"add_arguments of the command count fails: {reason}")
            for wrong, reason in ADD_ARGUMENTS.items()
        ),
    ],
)
def test_a_declaration_of_a_wrong_type_is_refused(package: Package, declared: str, reason: str) -> None:
    text = DECLARING.replace("{declared}", declared)
    with pytest.raises(StartupError, match=rf"{reason}.*/x/__init__\.py, line [12]\d\)$") as raised:
        discover(package({"x": text}))
    assert "\n" not in str(raised.value)


def test_the_help_of_a_command_can_have_a_percent_sign(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    declared = "commands=(command(help='count 100% of it, %(prog)s'),)"
    (module,) = discover(package({"x": DECLARING.replace("{declared}", declared)}))
    for arguments in (["--help"], ["count", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            parser_for([*module.commands]).parse_args(arguments)
        assert "count 100% of it, %(prog)s" in capsys.readouterr().out


def test_a_job_can_be_a_partial_of_an_async_function(package: Package) -> None:
    (module,) = discover(package({"x": DECLARING.replace("{declared}", "jobs=(Every(5, partial(handle, 1)),)")}))
    assert [job.name for job in module.jobs] == ["handle"]


def test_an_event_that_no_module_offers_cannot_be_followed(package: Package) -> None:
    text = DECLARING.replace("{declared}", "follows=(Follow(EVENT, handle),)")
    with pytest.raises(StartupError, match=r"x/__init__\.py, line 14: .* the event 'a change', which no module offers"):
        discover(package({"x": text}))


def test_an_offered_event_can_be_followed(package: Package) -> None:
    text = DECLARING.replace("{declared}", "follows=(Follow(EVENT, handle),)")
    assert len(discover(package({"x": text + "__all__ = ['EVENT', 'module']"}))) == 1


def test_a_folder_whose_name_cannot_be_imported_is_refused(package: Package) -> None:
    with pytest.raises(StartupError, match="report-cards"):
        discover(package({"report-cards": DECLARED.format(name="report-cards")}))


def test_a_module_that_is_a_file_is_refused(package: Package, tmp_path: Path) -> None:
    name = package({"x": DECLARED.format(name="x")})
    (tmp_path / name / "courses.py").touch()
    with pytest.raises(StartupError, match=r"courses\.py.*/courses/"):
        discover(name)


def test_a_module_can_be_disabled(package: Package) -> None:
    name = package({"a": DECLARED.format(name="a"), "b": "raise RuntimeError"})
    assert [module.name for module in discover(name, disabled=["b"])] == ["a"]


def test_modules_that_import_a_disabled_module_are_disabled_too(
    package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    name = package({letter: DECLARED.format(name=letter) for letter in "abcd"})
    root = Path(importlib.import_module(name).__path__[0])
    (root / "b" / "service.py").write_text(f"from {name} import a\n")
    (root / "c" / "service.py").write_text(f"def later():\n    from {name}.b import something\n")
    (root / "d" / "service.py").write_text(f"import {name}.d.models\nimport {name}\n")

    assert [module.name for module in discover(name, disabled=["a"])] == ["d"]
    assert [record.args for record in caplog.records] == [("b", "a"), ("c", "b")]


def test_an_unknown_module_cannot_be_disabled(package: Package) -> None:
    name = package({letter: DECLARED.format(name=letter) for letter in "ab"})
    with pytest.raises(StartupError, match=r"MODULES_DISABLED.*\bx, y\b.*\ba, b\b"):
        discover(name, disabled=["y", "a", "x"])


def test_the_service_runs_without_the_module_students(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODULES_DISABLED", "students")
    paths = create_app().openapi()["paths"]
    assert "/login" in paths
    assert not [path for path in paths if path.startswith(("/students", "/imports", "/statistics"))]


def test_a_module_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        stub().name = "other"  # type: ignore[misc]


def routes(*paths: str, method: str = "GET") -> ProtectedRouter:
    """Return a protected router with one route for each path."""
    return with_routes(ProtectedRouter(), *paths, method=method)


def public_routes(*paths: str) -> PublicRouter:
    """Return a public router with one route for each path."""
    return with_routes(PublicRouter(), *paths)


def with_routes(router: Router, *paths: str, method: str = "GET") -> Router:
    """Add one route for each path, and return the router."""

    for path in paths:

        async def route(**_: str) -> None:
            """Do nothing."""

        names = re.findall(r"{(\w+)", path)
        arguments = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=str) for name in names]
        vars(route)["__signature__"] = Signature(arguments)
        router.add_api_route(path, route, methods=[method], name=f"{method}_{len(path)}")
    return router


def nested(router: ProtectedRouter) -> ProtectedRouter:
    outer = ProtectedRouter()
    outer.include_router(router)
    return outer


async def run(_: argparse.Namespace) -> str:
    return ""


def command(name: str) -> Command:
    return Command(name=name, help="Do nothing.", add_arguments=lambda _: None, run=partial(run))


class Alpha(Document):
    class Settings:
        name = "things"


class Beta(Document):
    class Settings:
        name = "things"


class Gamma(Document):
    class Settings:
        name = "others"


class Seats(ModuleSettings, env_prefix="SEATS_"):
    most: int = 30


class Rooms(ModuleSettings):
    seats_most: int = 30


class Ports(ModuleSettings):
    port: int = 30


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ({"name": "one"}, {"name": "one"}, "module one"),
        ({"documents": (Alpha,)}, {"documents": (Beta,)}, "collection things"),
        ({"documents": (Alpha,)}, {"documents": (Alpha,)}, "collection things"),
        ({"settings": Seats}, {"settings": Rooms}, "setting SEATS_MOST"),
        ({"settings": Seats}, {"settings": Seats}, "setting SEATS_MOST"),
        ({"commands": (command("count"),)}, {"commands": (command("count"),)}, "command count"),
        ({"commands": (command("count"), command("count"))}, {}, "command count"),
    ],
)
def test_conflicting_declarations_of_two_modules_are_refused(
    first: dict[str, object], second: dict[str, object], conflict: str
) -> None:
    modules = [stub(**{"name": "one", **first}), Module(**{"name": "two", **second})]  # type: ignore[arg-type]
    with pytest.raises(StartupError, match=rf"{conflict}\b.*\bone\b.*\b(two|one)\b"):
        create_app(Settings(), modules)


@pytest.mark.parametrize(
    ("first", "second", "hidden", "by"),
    [
        ({"router": routes("/a")}, {"router": routes("/a")}, "GET /a", "GET /a"),
        ({"router": routes("/a")}, {"public_router": public_routes("/a")}, "GET /a", "GET /a"),
        ({"router": routes("/a/{x}/b")}, {"router": routes("/a/{y}/b")}, "GET /a/{y}/b", "GET /a/{x}/b"),
        ({"router": routes("/a/{x:path}")}, {"router": routes("/a/{y}")}, "GET /a/{y}", "GET /a/{x:path}"),
        ({"router": nested(routes("/a/b"))}, {"router": routes("/a/b")}, "GET /a/b", "GET /a/b"),
        ({"router": routes("/a/{x}")}, {"router": routes("/a/b")}, "GET /a/b", "GET /a/{x}"),
        ({"router": routes("/a/{x}", "/a/b")}, {}, "GET /a/b", "GET /a/{x}"),
        ({"router": routes("/a/{x:float}", "/a/{x:int}")}, {}, "GET /a/{x:int}", "GET /a/{x:float}"),
        ({"router": routes("/a/{x:path}")}, {"router": routes("/a/b/{n:int}")}, "GET /a/b/{n:int}", "GET /a/{x:path}"),
        ({"router": routes("/a/{x}/c")}, {"router": routes("/a/b/{y}")}, "GET /a/b/{y}", "GET /a/{x}/c"),
        ({"router": routes("/{x}.csv")}, {"router": routes("/all.{y}")}, "GET /all.{y}", "GET /{x}.csv"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_routes_that_match_the_same_path_are_refused(
    swapped: bool, first: dict[str, object], second: dict[str, object], hidden: str, by: str
) -> None:
    """Whether the modules' names put the one or the other first."""
    if swapped and second:
        first, second, hidden, by = second, first, by, hidden
    modules = [stub(**{"name": "one", **first}), Module(**{"name": "two", **second})]  # type: ignore[arg-type]
    with pytest.raises(StartupError) as raised:
        create_app(Settings(), modules)
    location = r"\S+test_module\.py, line \d+"
    named = rf"{location}: {re.escape(hidden)} .*{re.escape(by)} .*{location}"
    assert re.match(named, str(raised.value))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/a/{x}", "/a/{y}/b", False),
        ("/a/{x}", "/a/", False),
        ("/a/{x:path}", "/a", False),
        ("/a/{x:path}", "/a/", True),
        ("/{x:path}", "/healthz", True),
        ("/a/{x:path}/z", "/a/b/c/{y}", True),
        ("/{x}-{y}", "/{x}.{y}", True),
        ("/n/{x:int}", "/n/seven", False),
        ("/n/{x:int}", "/n/{x:float}", True),
        ("/n/{x:float}", "/n/1.5", True),
        ("/n/{x:float}", "/n/.5", False),
        ("/n/{x:uuid}", "/n/{x:int}", True),
        ("/n/{x:uuid}", "/n/bed", False),
        ("/n/{x:uuid}", "/n/{x}.csv", False),
        ("/n/{x:uuid}", "/n/00000000-0000-0000-0000-000000000000", True),
    ],
)
def test_two_paths_overlap_if_a_path_matches_both(one: str, other: str, expected: bool) -> None:
    first, second = (next(declared_routes(routes(path).routes)).tokens for path in (one, other))
    assert (overlap(first, second), overlap(second, first)) == (expected, expected)


@pytest.mark.parametrize("name", ["courses", "zourses"])
def test_no_module_takes_over_an_address_of_students(name: str) -> None:
    modules = [*discover(), Module(name=name, router=routes("/students/top"))]
    with pytest.raises(StartupError, match=r"GET /students/\{roll_no\}"):
        create_app(Settings(), sorted(modules, key=lambda module: module.name))


def two_files(package: Package, *texts: str) -> list[Path]:
    """Return the files of two modules, `one` and `two`, which are loaded."""
    name = package(dict(zip(("one", "two"), texts, strict=True)))
    return [Path(importlib.import_module(f"{name}.{folder}").__file__ or "") for folder in ("one", "two")]


ROUTE = """
from core.module import Module
from core.routing import ProtectedRouter
router = ProtectedRouter()
@router.get("/a")
async def read() -> None:
    "Read."
module = Module(name="{name}", router=router)
"""
COMMAND = """
from core.command import Command
from core.module import Module
async def run(_): return ""
module = Module(name="{name}", commands=(Command(name="{command}", help="", add_arguments=print, run=run),))
"""


SCHEMA = """
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, TypedDict
from pydantic import AliasChoices, AliasPath, BaseModel, Field
from fastapi import Query
from core.module import Module
from core.routing import ProtectedRouter
router = ProtectedRouter()
{schema}
@router.post("/{name}"{response})
async def read({argument}) -> {result}:
    "Read."
module = Module(name="{name}", router=router)
"""
MODEL = "class Shelf(BaseModel): ..."
ENUM = "class Shelf(Enum): ONE = 'one'"


def with_schema(name: str, schema: str = MODEL, *, argument: str = "", result: str = "None", response: str = "") -> str:
    values = {"name": name, "schema": schema, "argument": argument, "result": result, "response": response}
    return SCHEMA.format_map(values)


@pytest.mark.parametrize(
    "used",
    [
        {"result": "Shelf"},
        {"result": "dict[str, list[Shelf] | None]"},
        {"argument": "shelf: Shelf"},
        {"response": ", responses={202: {'model': Shelf}}"},
        {"argument": "shelf: Annotated[Shelf | None, Query()] = None", "schema": ENUM},
        {"argument": "query: Annotated[Given, Query()]", "schema": f"{ENUM}\nclass Given(BaseModel):\n  of: Shelf"},
        {"result": "Room", "schema": f"{MODEL}\nclass Room(BaseModel):\n  shelves: list[Shelf]"},
        {"result": "Shelf", "schema": "@dataclass\nclass Shelf:\n  size: int"},
        {"result": "list[Room]", "schema": f"{ENUM}\n@dataclass\nclass Room:\n  shelf: Shelf"},
    ],
)
def test_two_modules_cannot_document_schemas_with_the_same_name(used: dict[str, str], package: Package) -> None:
    """Else both, and clients that were generated from them, would get other names."""
    files = two_files(package, with_schema("one", result="Shelf"), with_schema("two", **used))
    for file, changed_at in zip(files, (1e9, 2e9), strict=True):
        os.utime(file, (changed_at, changed_at))
    places = [rf"{re.escape(str(file))}, line \d+" for file in reversed(files)]
    expected = rf"^{places[0]}: the schema Shelf of two is also declared by one \({places[1]}\)\. Rename one of them\.$"
    with pytest.raises(StartupError, match=expected):
        create_app(Settings(), [stub(), *map(loaded, files)])


PREFIXED = """
from typing import Annotated
from fastapi import Depends, Path
from core.module import Module
from core.routing import ProtectedRouter
def found(roll_no: str): return roll_no
router = ProtectedRouter(prefix="/students/{roll_no}/loans")
@router.get("/{book}")
async def read({arguments}) -> None:
    "Read."
module = Module(name="x", router=router)
"""


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ("book: str", "roll_no"),
        ("roll_no: str", "book"),
        ("roll_no: str, book: str", None),
        ("book: str, student: Annotated[str, Depends(found)]", None),
        ("roll_no: str, other: Annotated[str, Path(alias='book')]", None),
    ],
)
def test_a_function_that_lacks_a_parameter_of_its_path_is_refused(
    package: Package, arguments: str, missing: str | None
) -> None:
    name = package({"x": PREFIXED.replace("{arguments}", arguments)})
    if missing is None:
        assert len(discover(name)) == 1
        return
    named = rf"read lacks the parameter {missing} of its path /students/{{roll_no}}/loans/{{book}}\. Declare it"
    with pytest.raises(StartupError, match=rf"{named} as an argument\. \(\S+/x/__init__\.py, line 8\)$"):
        discover(name)


def test_two_modules_can_document_the_same_schema_and_have_others_that_are_not_documented() -> None:
    class Shelf(BaseModel): ...

    class SizeQuery(BaseModel):
        size: int = 1

    async def use(_: Annotated[SizeQuery, Query()]) -> Shelf:
        """Return a shelf."""
        return Shelf()

    one, two = ProtectedRouter(prefix="/one"), ProtectedRouter(prefix="/two")
    for router in (one, two):
        router.add_api_route("/shelf", use)
    SizeQuery.__name__ = "Shelf"
    schemas = create_app(Settings(), [stub(router=one), Module(name="two", router=two)]).openapi()["components"]
    assert "Shelf" in schemas["schemas"]


def test_a_module_cannot_document_a_schema_of_the_service(package: Package) -> None:
    text = with_schema("one", "class FieldError(BaseModel): ...", result="FieldError")
    file, _ = two_files(package, text, "")
    with pytest.raises(StartupError, match=rf"^{re.escape(str(file))}, line \d+: the schema FieldError of one"):
        create_app(Settings(), [stub(), loaded(file)])


def loaded(file: Path) -> Module:
    module: Module = sys.modules[f"{file.parent.parent.name}.{file.parent.name}"].module
    return module


@pytest.mark.parametrize("text", [ROUTE, COMMAND.replace("{command}", "count")])
@pytest.mark.parametrize("newer", [0, 1])
def test_the_module_that_was_changed_last_is_named_first(text: str, newer: int, package: Package) -> None:
    files = two_files(package, *(text.replace("{name}", name) for name in ("one", "two")))
    for file, changed_at in zip(files, (2e9, 1e9) if newer == 0 else (1e9, 2e9), strict=True):
        os.utime(file, (changed_at, changed_at))
    with pytest.raises(StartupError) as raised:
        create_app(Settings(), [stub(), *map(loaded, files)])
    assert re.findall(r"([^\s(]+__init__\.py), line", str(raised.value)) == [str(files[newer]), str(files[1 - newer])]


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_a_module_cannot_have_a_command_of_the_service(name: str, package: Package) -> None:
    file, _ = two_files(package, COMMAND.replace("{name}", "one").replace("{command}", name), "")
    with pytest.raises(StartupError, match=rf"^{re.escape(str(file))}, line 4: the command {name} of one"):
        create_app(Settings(), [stub(), loaded(file)])


def test_no_command_runs_while_two_have_the_same_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("core.__main__.configure", lambda: (Settings(), [stub(commands=(command("check"),))]))
    assert main(["openapi"]) == 1
    assert re.match(r"\S+test_module\.py, line \d+: the command check of stub", capsys.readouterr().err)


def test_the_commands_of_the_service_are_reserved() -> None:
    assert sorted(command.name for command in commands_of([])) == sorted(OWN_COMMANDS)


UNDECLARED = """
from core.module import Module
from core.settings import ModuleSettings
class Base(ModuleSettings, env_prefix="ROOMS_"):
    size: int = 1
class Kept(Base):
    {field}: int = 1
module = Module(name="one")
"""


@pytest.mark.parametrize(("field", "other"), [("most", Seats), ("port", None), ("free", Seats)])
def test_settings_that_a_module_does_not_declare_are_checked(
    field: str, other: type[ModuleSettings] | None, package: Package
) -> None:
    text = UNDECLARED.replace("{field}", field).replace(
        "ROOMS_", "SEATS_" if field == "most" else "" if other is None else "R_"
    )
    file, _ = two_files(package, text, "")
    modules = [stub(), loaded(file), Module(name="two", settings=other)]
    if field == "free":
        create_app(Settings(), modules)
        return
    with pytest.raises(StartupError, match=r"setting (SEATS_MOST|PORT) of") as raised:
        create_app(Settings(), modules)
    assert str(file) in str(raised.value)


PLAIN_SETTINGS = """
from core.module import Module
from pydantic_settings import BaseSettings
class Kept(BaseSettings, env_prefix="SEATS_"):
    most: int = 1
module = Module(name="one")
"""


def test_settings_of_pydantic_s_own_class_are_checked(package: Package) -> None:
    file, _ = two_files(package, PLAIN_SETTINGS, "")
    with pytest.raises(StartupError, match=r"setting SEATS_MOST of"):
        create_app(Settings(), [stub(), loaded(file), Module(name="two", settings=Seats)])


@pytest.mark.parametrize(
    "alias", ["seats_most", AliasChoices("benches", "SEATS_MOST"), AliasPath("SEATS_MOST", 0), AliasChoices("PORT")]
)
def test_settings_with_an_alias_are_checked(alias: Any) -> None:
    class Benches(ModuleSettings, env_prefix="BENCHES_"):
        most: Annotated[int, Field(validation_alias=alias)] = 3

    with pytest.raises(StartupError, match=r"setting (SEATS_MOST|PORT) of"):
        create_app(Settings(), [stub(settings=Seats), Module(name="two", settings=Benches)])


def test_a_module_cannot_declare_a_setting_of_the_service() -> None:
    with pytest.raises(StartupError, match=r"\bPORT\b.*\bone\b"):
        create_app(Settings(), [stub(name="one", settings=Ports)])


def test_declarations_without_conflicts_are_accepted() -> None:
    one = stub(name="one", router=routes("/a", "/b/{x}"), documents=(Alpha,))
    two = Module(name="two", router=routes("/a", "/b/{x}", method="POST"), public_router=public_routes("/b"))
    three = Module(
        name="three",
        documents=(Gamma,),
        router=routes("/b/{x}/c", "/n/{x:int}", "/n/{x:float}", "/n/{x}", "/n/{x:path}"),
    )
    paths = create_app(Settings(), [one, two, three]).openapi()["paths"]
    assert {f"{method} {path}" for path, operations in paths.items() for method in operations} >= {
        "get /a",
        "post /a",
        "get /b",
        "get /b/{x}",
        "post /b/{x}",
        "get /b/{x}/c",
    }


class Plain(Document):
    """A document whose collection has Beanie's default name."""


def test_documents_with_the_same_default_collection_are_refused() -> None:
    with pytest.raises(StartupError, match=r"\bPlain\b"):
        create_app(Settings(), [stub(documents=(Plain,)), Module(name="two", documents=(Plain,))])


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/docs", "/redoc", "/openapi.json", "/problems"])
def test_a_module_cannot_declare_a_path_of_the_service(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.conflicts.changed_at", lambda _: 0.0)
    with pytest.raises(StartupError, match=rf"^\S+test_module\.py, line \d+: GET {path}"):
        create_app(Settings(), [stub(public_router=public_routes(path))])


@pytest.mark.parametrize(
    ("modules", "names"),
    [
        ([], "MODULES_DISABLED"),
        ([Module(name="one")], "MODULES_DISABLED"),
        ([stub(name="one"), Module(name="two"), stub(name="three")], "one, three"),
    ],
)
def test_exactly_one_module_must_have_an_authenticator(modules: list[Module], names: str) -> None:
    with pytest.raises(StartupError, match=f"authenticator.*{names}"):
        create_app(Settings(), modules)


def test_a_route_is_protected_unless_it_is_declared_public() -> None:
    public = PublicRouter()
    public.add_api_route("/everyones", lambda: None)
    client = unstarted_client(stub(router=routes("/mine"), public_router=public))
    statuses = {
        (path, token): client.get(path, headers={"Authorization": token}).status_code
        for path in ("/mine", "/everyones")
        for token in ("", "Bearer forged", "Bearer valid")
    }
    assert statuses == {
        ("/mine", ""): 401,
        ("/mine", "Bearer forged"): 401,
        ("/mine", "Bearer valid"): 200,
        ("/everyones", ""): 200,
        ("/everyones", "Bearer forged"): 200,
        ("/everyones", "Bearer valid"): 200,
    }


def test_a_router_without_authentication_is_refused() -> None:
    with pytest.raises(StartupError, match=r"\bone\b.*\brouter\b.*ProtectedRouter"):
        Module(name="one", router=APIRouter())  # type: ignore[arg-type]
    with pytest.raises(StartupError, match=r"\bone\b.*\bpublic_router\b.*PublicRouter"):
        Module(name="one", public_router=APIRouter())  # type: ignore[arg-type]


def with_mounted_app() -> ProtectedRouter:
    router = ProtectedRouter()
    router.mount("/files", FastAPI())
    return router


def with_unprotected_route() -> ProtectedRouter:
    router = ProtectedRouter()
    router.add_route("/files", lambda _: Response())
    return router


def with_unprotected_router() -> ProtectedRouter:
    plain, router = APIRouter(), ProtectedRouter()
    plain.add_api_route("/files", lambda: None)
    router.include_router(plain)
    return router


@pytest.mark.parametrize("router", [with_mounted_app(), with_unprotected_route(), with_unprotected_router()])
def test_an_unprotected_route_of_a_protected_router_is_refused(router: ProtectedRouter) -> None:
    with pytest.raises(StartupError, match=r"\bone\b.*/files"):
        Module(name="one", router=router)


def test_a_route_receives_the_current_user() -> None:
    router = ProtectedRouter()

    @router.get("/me")
    async def me(user: CurrentUser) -> Principal:
        """Return the current user."""
        return user

    assert unstarted_client(stub(router=router)).get("/me").json()["username"] == "stub"


@asynccontextmanager
async def failing() -> AsyncIterator[None]:
    raise ZeroDivisionError("oh")
    yield


@asynccontextmanager
async def rejected() -> AsyncIterator[None]:
    raise OperationFailure("oh")
    yield


@asynccontextmanager
async def refusing() -> AsyncIterator[None]:
    raise StartupError("There is no room.")
    yield


async def undecorated() -> AsyncIterator[None]:
    yield


@contextmanager
def synchronous() -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("lifespan", "reason"),
    [
        (failing, "ZeroDivisionError: oh"),
        (rejected, "OperationFailure: oh"),
        (refusing, "There is no room."),
        (undecorated, "@asynccontextmanager"),
        (synchronous, "@asynccontextmanager"),
    ],
)
def test_a_lifespan_that_fails_is_named_with_its_module(
    lifespan: Callable[[], Any], reason: str, open_client: AppClient
) -> None:
    with pytest.raises(StartupError, match=rf"module two .*test_module\.py, line \d+.*{reason}"):
        open_client([stub(), Module(name="two", lifespan=lifespan)])


@pytest.mark.parametrize("error", [AutoReconnect, DatabaseUnreachable])
def test_a_lifespan_waits_while_the_database_is_away(error: type[Exception], open_client: AppClient) -> None:
    """The service starts, in an outage."""

    @asynccontextmanager
    async def away() -> AsyncIterator[None]:
        raise error("away")
        yield

    client = open_client([stub(), Module(name="two", lifespan=away)])
    assert client.get("/readyz").status_code == 503


def test_a_lifespan_that_fails_at_shutdown_is_named(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def leaving() -> AsyncIterator[None]:
        yield
        raise ZeroDivisionError

    app = create_app(settings, [stub(), Module(name="two", lifespan=leaving)])
    with pytest.raises(ZeroDivisionError), TestClient(app):
        pass
    assert "The lifespan of the module two failed at shutdown" in caplog.messages


@pytest.mark.parametrize(
    "line",
    [
        "from {name}.a.service import read",
        "import {name}.a.service",
        "from {name}.a import service",
        "from ..a.service import read",
        "from .. import b\nfrom ..a import hidden",
        "def later():\n    from {name}.a import hidden",
        "import {name}.a\nvalue = {name}.a.service",
        "import {name}.a\nvalue = {name}.a.service.read(1)",
        "import {name}.a as other\nvalue = other.service",
        "from {name} import a\nvalue = a.service.read",
        "from .. import a as other\ndef later():\n    return other.hidden",
        "import importlib\nimportlib.import_module('{name}.a.service')",
        "from importlib import import_module\nread = import_module('{name}.a.service').read",
        "__import__('{name}.a.service')",
    ],
)
def test_an_import_of_another_modules_inside_is_refused(package: Package, line: str) -> None:
    name = package({letter: DECLARED.format(name=letter) for letter in "ab"})
    root = Path(importlib.import_module(name).__path__[0])
    (root / "b" / "service.py").write_text(line.format(name=name))
    lines = line.count("\n") + 1

    with pytest.raises(StartupError, match=rf"^{name}/b/service\.py, line {lines}: .*use {name}\.a\.__all__"):
        discover(name)


def test_public_names_of_another_module_may_be_imported(package: Package) -> None:
    a = DECLARED.format(name="a") + "__all__ = ['module', 'read']\n"
    name = package({"a": a, "b": DECLARED.format(name="b")})
    root = Path(importlib.import_module(name).__path__[0])
    (root / "b" / "service.py").write_text(
        f"import {name}.a\nfrom {name} import a\nfrom {name}.a import read\nfrom . import x\nfrom ..b import y\n"
        f"import importlib\nimportlib.import_module('{name}.a')\n"
        f"x = [{name}.a.read.inner, a.read, a.__name__, read.inner, {name}.b.hidden, y.a.hidden, other.a.hidden]\n"
    )
    assert len(discover(name)) == 2


def test_the_line_of_the_module_is_named_when_a_library_raises(package: Package) -> None:
    text = DECLARED.format(name="x") + "import json\n\njson.loads('{')\n"
    with pytest.raises(StartupError, match=r"x/__init__\.py, line 5\)"):
        discover(package({"x": text}))
