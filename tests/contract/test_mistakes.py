"""Mistakes that a module easily makes: the start or the contract finds each, with the file, the line and the remedy.

`tests/core/test_module.py` tests one more: an import of another module's inside.
"""

import asyncio
import dataclasses
import importlib
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from types import ModuleType

import pytest

from core.app import create_app
from core.errors import StartupError
from core.module import Module
from core.registry import discover
from core.settings import Settings
from tests.contract import declaration, documentation, functions, observed
from tests.contract.conftest import observe, started
from tests.contract.declaration import MongoDatabase, documents_its_settings
from tests.contract.findings import found_in, report
from tests.contract.functions import functions_of
from tests.contract.isolation import MODULES
from tests.contract.operations import operations_of
from tests.contract.traffic import Traffic

Write = Callable[..., Module]

FILES = {
    "__init__.py": """
from core.module import Module
from {package}.gadgets.models import Gadget
from {package}.gadgets.router import router

__all__ = ["module"]

module = Module(name="gadgets", description="Gadgets.", router=router, documents=(Gadget,))
""",
    "models.py": """
from beanie import Document
from pymongo import IndexModel

class Gadget(Document):
    name: str = "a"
    rank: int = 0

    class Settings:
        name = "gadgets"
        indexes = [IndexModel("name", name="by_name")]
""",
    "router.py": """
import time
from typing import Annotated

from fastapi import HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from pymongo.errors import AutoReconnect

from core.errors import Conflict
from core.database import collection
from core.routing import ProtectedRouter
from {package}.gadgets import helper
from {package}.gadgets.models import Gadget

router = ProtectedRouter()

@router.get("/gadgets")
async def list_(rank: Annotated[int, Query(examples=[1])] = 1) -> list[str]:
    '''List gadgets.'''
    {body}
""",
    "helper.py": """
import asyncio
import time
from contextlib import asynccontextmanager

from core.database import collection
from {package}.gadgets.models import Gadget

def look() -> None:
    for _ in range(3):
        time.sleep(0.06)

async def fail(*_: object) -> None:
    raise RuntimeError("oh")

async def fail_in_parts():
    yield "["
    await fail()

@asynccontextmanager
async def fail_to_open():
    await fail()
    yield

async def block(*_: object) -> None:
    look()

async def block_in_parts():
    yield "["
    look()

async def read(*_: object) -> None:
    await Gadget.find({"rank": 1}).to_list()

async def join(by: dict[str, object]) -> None:
    others = {"$lookup": {"from": "gadgets", "as": "others", **by}}
    await collection(Gadget).aggregate([{"$sort": {"name": 1}}, {"$limit": 1}, others]).to_list(1)

SAME_NAME = {"$expr": {"$eq": ["$name", "$$other"]}}

async def read_in_parts():
    yield "["
    await read()

async def hold_on() -> None:
    await asyncio.sleep(60)
""",
}

VALID = "return [one.name for one in await Gadget.find().sort('name').to_list()]"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Return a function that writes a module `gadgets` in a new package and loads it. The body of its route, and whole
    files, can be given."""
    package = f"package_{uuid.uuid4().hex}"
    monkeypatch.syspath_prepend(tmp_path)

    def write(body: str = VALID, **files: str) -> Module:
        folder = tmp_path / package / "gadgets"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        given = {f"{name}.py": text for name, text in files.items()}
        for name, text in (FILES | given).items():
            (folder / name).write_text(text.lstrip().replace("{body}", body).replace("{package}", package))
        importlib.invalidate_caches()
        (module,) = discover(package)
        return module

    yield write
    for loaded in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[loaded]


@pytest.fixture
def found(write: Write, database: MongoDatabase, mongodb_url: str) -> Callable[..., list[str]]:
    """Return a function that writes the module, and returns what the contract finds."""

    def found(body: str = VALID, **files: str) -> list[str]:
        module = write(body, **files)
        traffic = Traffic(operations_of(module))
        with started(module, database, mongodb_url, traffic.sent) as client, traffic.of(client):
            observe(module, client, database, traffic)
            parts = [*traffic.operations, *functions_of(module)]
            return [*found_in(module, parts, observed.CONTRACTS, traffic, database)]

    return found


SETTINGS = """
from core.settings import ModuleSettings

class GadgetSettings(ModuleSettings, env_prefix="MARKS_"):
    max: int = 3
"""

DECLARES_SETTINGS = """
from core.module import Module
from {package}.gadgets.settings import GadgetSettings

__all__ = ["module"]

module = Module(name="gadgets", settings=GadgetSettings)
"""


WITH_SCHEMA = FILES["router.py"].replace("@router", "class StudentRead(BaseModel): ...\n\n@router")
WITH_SCHEMA = WITH_SCHEMA.replace("list[str]", "StudentRead").replace("import time", "from pydantic import BaseModel")


@pytest.mark.parametrize(
    ("files", "named", "remedy"),
    [
        ({"router": FILES["router.py"].replace("/gadgets", "/students/top")}, "router.py", "Change the path"),
        ({"models": FILES["models.py"].replace('"gadgets"', '"students"')}, "models.py", "Rename one of them"),
        ({"settings": SETTINGS, "__init__": DECLARES_SETTINGS}, "settings.py", "Rename one of them"),
        ({"router": WITH_SCHEMA}, "router.py", "Rename one of them"),
        (
            {"router": FILES["router.py"].replace("/gadgets", "/gadgets/{code}")},
            "router.py",
            "Declare it as an argument",
        ),
        (
            {"models": FILES["models.py"].replace('IndexModel("name"', 'IndexModel("nmae"')},
            "models.py",
            "Did you mean name",
        ),
        ({"__init__": FILES["__init__.py"].replace("(Gadget,)", "(Gadget)")}, "__init__.py", "with a comma"),
    ],
    ids=[
        "a route of another module",
        "a collection of another module",
        "a setting of another module",
        "the name of a schema of another module",
        "a parameter of a path that the function lacks",
        "an index over a misspelt field",
        "a forgotten comma",
    ],
)
def test_a_mistake_in_a_declaration_is_refused_at_start(
    write: Write, files: dict[str, str], named: str, remedy: str
) -> None:
    with pytest.raises(StartupError) as raised:
        create_app(Settings(), [*MODULES, write(**files)])

    message = str(raised.value)
    assert re.search(rf"gadgets/{re.escape(named)}\W+(line )?\d+", message), message
    assert remedy in message
    assert "\n" not in message


def helper(text: str) -> str:
    """Return a pattern for the file and line of a text in the helper of the module."""
    return rf"\S+/gadgets/helper\.py, line {FILES['helper.py'].lstrip().partition(text)[0].count(chr(10)) + 1}"


MISTAKES = {
    "return value of a wrong type": (
        "return [1]",
        "answers 500: ResponseValidation.*: return what the annotation of the function says",
    ),
    "exception": (
        "raise RuntimeError('oh')",
        r"answers 500: RuntimeError: oh \(\S+/gadgets/router\.py, line {line}\)",
    ),
    "error of the driver": (
        "raise AutoReconnect",
        "answers 503: see the log",
    ),
    "error by a status": (
        "return Response(status_code=599)",
        "answers 599: see the log",
    ),
    "sort without an index": (
        "return [one.name for one in await Gadget.find().sort('rank').to_list()]",
        "sorts gadgets by rank in memory: declare an index of these fields .*",
    ),
    "filter without an index, in the order of one": (
        "return [one.name for one in await Gadget.find({'rank': rank}).sort('name').to_list()]",
        "reads gadgets through a whole index to find by rank: declare an index .*",
    ),
    "filter without an index, in the order of one, in a pipeline": (
        "await Gadget.aggregate([{'$match': {'rank': rank}}, {'$sort': {'name': -1}}]).to_list(); return []",
        "reads gadgets through a whole index to find by rank: declare an index .*",
    ),
    "filter with an index and another field": (
        "return [one.name for one in await Gadget.find({'rank': rank, 'name': 'a'}).sort('name').to_list()]",
        None,
    ),
    "empty list of ids": (
        "return [one.name for one in await Gadget.find({'_id': {'$in': []}, 'rank': rank}).to_list()]",
        None,
    ),
    "filter without an index": (
        "return [one.name for one in await Gadget.find({'rank': rank}).to_list()]",
        "reads all of gadgets to find by rank: declare an index .*",
    ),
    "blocking call": (
        "time.sleep(0.15); return []",
        r"holds the event loop for 100 ms at \S+/gadgets/router\.py, line {line}: await it, .*",
    ),
    "blocking call in a helper": (
        "helper.look(); return []",
        rf"holds the event loop for 100 ms at {helper('time.sleep')}: .*",
    ),
    "blocking call in C": (
        "sum(range(15_000_000)); return []",
        r"holds the event loop for 100 ms at \S+/gadgets/router\.py, line \d+: .*",
    ),
    "stream that fails": (
        "return StreamingResponse(helper.fail_in_parts())",
        rf"fails: RuntimeError: oh \({helper('raise')}\)",
    ),
    "stream that blocks": (
        "return StreamingResponse(helper.block_in_parts())",
        rf"holds the event loop for 100 ms at {helper('time.sleep')}: .*",
    ),
    "filter without an index in a stream": (
        "return StreamingResponse(helper.read_in_parts())",
        "reads all of gadgets to find by rank: declare an index .*",
    ),
    "background task that fails": (
        "return Response('[]', background=BackgroundTask(helper.fail))",
        rf"fails: RuntimeError: oh \({helper('raise')}\)",
    ),
    "filter without an index in a background task": (
        "return Response('[]', background=BackgroundTask(helper.read))",
        "reads all of gadgets to find by rank: declare an index .*",
    ),
    "join without an index": (
        "await helper.join({'localField': 'name', 'foreignField': 'rank'}); return []",
        "reads all of gadgets to find by rank: declare an index .*",
    ),
    "join by an index": (
        "await helper.join({'let': {'other': '$name'}, 'pipeline': [{'$match': helper.SAME_NAME}]}); return []",
        None,
    ),
    "count without a filter": (
        "await collection(Gadget).count_documents({}); return []",
        r"reads all of gadgets without a filter: .* estimated_document_count\(\) .*",
    ),
    "date in a filter of the driver": (
        "from datetime import date; await collection(Gadget).find_one({'name': date.today()}); return []",
        r"answers 500: InvalidDocument: .* \(\S+/router\.py, line {line}\): encode .* core\.database\.encoded",
    ),
    "command for an index": (
        "await collection(Gadget).create_index('name', name='by_name'); return []",
        "sends the command createIndexes: declare indexes .*",
    ),
    "list of texts": ("return ['A1']", None),
    "undeclared status": (
        "return Response(status_code=202)",
        "answers 202 without a problem, undeclared: add it to the route's .*",
    ),
    "undeclared problem": (
        "raise Conflict('Taken.')",
        "answers 409 /problems/conflict, undeclared: add it to the route's .*",
    ),
    "none": (VALID, None),
}
"""The bodies of routes, each with what the contract finds: nothing, or a line in which `{line}` is the body's line."""


def test_each_mistake_in_a_route_is_found_there(found: Callable[..., list[str]]) -> None:
    head, _, route = FILES["router.py"].lstrip().partition("@router.get")
    router = head
    expected: dict[str, str | None] = {}
    for number, (name, (body, finding)) in enumerate(MISTAKES.items()):
        declared = f"@router.get{route}".replace("/gadgets", f"/gadgets/{number}").replace("list_", f"list_{number}")
        router += declared.replace("{body}", body)
        line = router.count("\n")  # that of the body, which ends with the only line break after it
        where = rf"GET /gadgets/{number} \(\S+/gadgets/router\.py, line {line - 3}\): "
        expected[name] = finding and where + finding.replace("{line}", str(line)) + r" \[\w+\]"

    lines = found(router=router)

    assert {name: lines for name, line in expected.items() if line and not _are_matched(lines, line)} == {}
    right = [str(number) for number, (_, finding) in enumerate(MISTAKES.values()) if finding is None]
    assert [line for line in lines if line.split()[1].rpartition("/")[2] in right] == []


WRONG_FUNCTIONS = """
    jobs=(Every(60, helper.fail), Every(60, helper.block), Every(60, helper.read)),
    health_check=helper.fail, data_check=helper.fail_in_parts,
    follows=(Follow(CHANGED, helper.fail), Follow(ERASED, helper.fail), Follow(GONE, helper.read))"""

FUNCTIONS = {
    "job fail": rf"fails: RuntimeError: oh \({helper('raise')}\) .*",
    "job block": rf"holds the event loop for 100 ms at {helper('time.sleep')}: .*",
    "job read": "reads all of gadgets to find by rank: declare an index .*",
    "health_check fail": rf"fails: RuntimeError: oh \({helper('raise')}\) .*",
    "data_check fail_in_parts": rf"fails: RuntimeError: oh \({helper('raise')}\) .*",
    "follower of changed fail": rf"fails: RuntimeError: oh \({helper('raise')}\) .*",
    "follower of erased fail": rf"fails: RuntimeError: oh \({helper('raise')}\) .*",
    "follower of gone read": "reads all of gadgets to find by rank: declare an index .*",
}
"""What the contract finds in the functions above."""

DEFINED = r"\S+/gadgets/helper\.py, line \d+"

RIGHT_FUNCTIONS = "jobs=(Every(60, helper.hold_on, endless=True),), data_check=helper.read_in_parts"


@pytest.mark.parametrize(("declared", "expected"), [(WRONG_FUNCTIONS, FUNCTIONS), (RIGHT_FUNCTIONS, {})])
def test_each_mistake_in_a_function_that_no_request_calls_is_found(
    found: Callable[..., list[str]], declared: str, expected: dict[str, str]
) -> None:
    imports = (
        "from core.events import Follow\nfrom core.module import Every\n"
        "from modules.students import CHANGED, ERASED, GONE\nfrom {package}.gadgets import helper\n"
    )
    lines = found(__init__=imports + FILES["__init__.py"].replace("documents=", f"{declared}, documents="))

    patterns = {function: rf"{function} \({DEFINED}\): {finding}" for function, finding in expected.items()}
    assert {name: lines for name, pattern in patterns.items() if not _are_matched(lines, pattern)} == {}
    assert len(lines) == len(expected)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("endless", "stubborn", "error"),
    [(False, False, "has not ended"), (True, True, "goes on"), (False, True, "goes on")],
)
async def test_a_function_that_does_not_end_is_found(
    endless: bool, stubborn: bool, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        with suppress(asyncio.CancelledError) if stubborn else nullcontext():
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    for limit in ("_SECONDS", "_ENDLESS_SECONDS", "_CANCELLATION_SECONDS"):
        monkeypatch.setattr(functions, limit, 0.05)
    with pytest.raises(TimeoutError, match=error):
        await functions.run(work, endless=endless)


def _are_matched(lines: list[str], pattern: str) -> bool:
    return any(re.fullmatch(pattern, line) for line in lines)


def test_a_return_type_that_no_response_can_have_is_refused_at_start(write: Write) -> None:
    router = FILES["router.py"].replace("@router", "class Plain: ...\n\n@router").replace("list[str]", "Plain")
    with pytest.raises(StartupError) as raised:
        write(router=router)
    message = str(raised.value)
    assert re.search(r"gadgets\.router\.Plain'> is a valid Pydantic .*/gadgets/router\.py, line 19\)$", message), (
        message
    )
    assert "\n" not in message


def test_an_app_that_does_not_start_is_one_line(found: Callable[..., list[str]]) -> None:
    text = FILES["__init__.py"].replace("documents=", "lifespan=helper.fail_to_open, documents=")
    with pytest.raises(pytest.fail.Exception) as raised:
        found(__init__=f"from {{package}}.gadgets import helper\n{text}")
    message = str(raised.value)
    assert re.fullmatch(r"The app does not start\. .*helper\.py.*", message), message
    assert raised.value.pytrace is False


def test_each_finding_is_a_line() -> None:
    with pytest.raises(pytest.fail.Exception) as raised:
        report(["one\nfinding", "another", "one\nfinding"])
    assert str(raised.value) == "one finding\nanother"
    assert raised.value.pytrace is False


LIST = (
    FILES["router.py"].partition("@router.get")[0]
    + '''
from core.api import LINK, CursorNotFound, PageQuery, problem_responses

@router.get("/gadgets", responses={200: {"headers": LINK}, **problem_responses(CursorNotFound)})
async def list_(query: Annotated[PageQuery, Query()], response: Response) -> list[str]:
    """List gadgets."""
    response.headers["Link"] = '</gadgets?limit=1>; rel="next"'
    return []
'''
)


def test_a_page_that_is_cut_short_is_found(found: Callable[..., list[str]]) -> None:
    (line,) = found(router=LIST)
    assert "answers 0 items to limit=1 with a next page: fill the page" in line


def gaps(contract: documentation.Contract, module: Module) -> list[str]:
    return documentation.violations(contract, operations_of(module))


def test_a_parameter_without_an_example_is_found(write: Write) -> None:
    router = FILES["router.py"].replace("rank: Annotated[int, Query(examples=[1])] = 1", "rank: str")
    assert "GET /gadgets: has no example of its parameter rank" in gaps(
        documentation.has_examples, write(router=router)
    )


def test_settings_that_are_not_in_the_pages_are_found(write: Write) -> None:
    module = write(settings=SETTINGS, __init__=DECLARES_SETTINGS)
    lines = list(documents_its_settings(module))
    assert re.fullmatch(r"has no docstring .* MARKS_MAX of \S+/settings\.py, line 3: add one", lines[0])
    assert [re.sub(r"is not in (\S+) .*Run: ", r"\1: ", line) for line in lines[1:]] == [
        "docs/settings.md: .venv/bin/python -m core openapi",
        ".env.example: .venv/bin/python -m core openapi",
    ]


def test_what_is_defined_but_not_declared_is_found(write: Write) -> None:
    job = (
        "from core.module import Every\nfrom {package}.gadgets import helper, settings\n\njob = Every(60, helper.fail)"
    )
    module = write(settings=SETTINGS, work=job, router=f"from {{package}}.gadgets import work\n{FILES['router.py']}")
    package = package_of(module)
    migrations = Path(package.__path__[0]) / "migrations"
    migrations.mkdir()
    (migrations / "__init__.py").touch()

    expected = [
        r"does not declare job of \S+/gadgets/work\.py, line 4: add it to jobs",
        r"does not declare GadgetSettings of \S+/gadgets/settings\.py, line 3: add settings=GadgetSettings",
        r"does not declare \S+/gadgets/migrations: add migrations=migrations",
    ]
    lines = list(declaration.declares_what_it_defines(module, package))
    assert [pattern for pattern in expected if not _are_matched(lines, pattern)] == [], lines
    assert len(lines) == len(expected)


def package_of(module: Module) -> ModuleType:
    (package,) = [one for name, one in sys.modules.items() if name.endswith(".gadgets") and one.module is module]
    return package


JOBS = """
from core.module import Every
from {package}.gadgets import helper

jobs = (Every(60, helper.fail), Every(60, helper.read))
"""

OTHER_FILES = {
    "commands": "from core.command import Command\n\n"
    "async def run(_): return ''\n"
    "commands = [Command(name='count-gadgets', help='', add_arguments=lambda _: None, run=run)]\n",
    "other": 'from beanie import Document\n\nclass Other(Document):\n    class Settings:\n        name = "others"\n',
    "settings": SETTINGS,
}


def test_what_is_defined_in_a_file_that_nothing_imports_is_found(write: Write) -> None:
    module = write(jobs=JOBS, **OTHER_FILES)
    package = package_of(module)
    assert list(declaration.declares_its_documents(module, package)) == [
        f"does not declare Other of {Path(package.__path__[0]) / 'other.py'}, line 3: add it to documents"
    ]
    expected = [
        r"does not declare jobs of \S+/gadgets/jobs\.py, line 4: add it to jobs",
        r"does not declare commands of \S+/gadgets/commands\.py, line 4: add it to commands",
        r"does not declare GadgetSettings of \S+/gadgets/settings\.py, line 3: add settings=GadgetSettings",
    ]
    lines = list(declaration.declares_what_it_defines(module, package))
    assert [pattern for pattern in expected if not _are_matched(lines, pattern)] == [], lines
    assert len(lines) == len(expected)


def test_settings_of_pydantic_s_own_class_are_found(write: Write) -> None:
    plain = (
        "from pydantic_settings import BaseSettings\n\nclass Own(BaseSettings, env_prefix='GADGETS_'):\n    max: int"
    )
    module = write(settings=plain)
    (line,) = declaration.declares_what_it_defines(module, package_of(module))
    assert re.fullmatch(r"does not declare Own of .*line 3: add settings=Own, which inherits from ModuleSettings", line)


def test_a_tuple_of_which_one_is_not_declared_is_found(write: Write) -> None:
    declares = "from {package}.gadgets.jobs import jobs\n" + FILES["__init__.py"]
    module = write(jobs=JOBS, __init__=declares.replace("documents=", "jobs=jobs[:1], documents="))
    lines = list(declaration.declares_what_it_defines(module, package_of(module)))
    assert lines
    assert all("does not declare jobs of" in line for line in lines)

    everything = dataclasses.replace(
        module, jobs=module.jobs * 0 + sys.modules[f"{package_of(module).__name__}.jobs"].jobs
    )
    assert list(declaration.declares_what_it_defines(everything, package_of(module))) == []


def test_a_file_that_nothing_imports_and_that_cannot_be_imported_is_found(write: Write) -> None:
    module = write(draft="import nowhere_at_all\n")
    lines = list(declaration.declares_what_it_defines(module, package_of(module)))
    assert [re.sub(r"\S+/", "", line) for line in lines] == [
        "has the file draft.py, line 1, which cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"
    ]
