"""Tests of modules that are installed as a package, with an entry point, instead of as a folder in `modules/`."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.app import create_app
from core.errors import StartupError
from core.registry import discover
from core.settings import Settings
from tests.conftest import AppClient, sign_in

Install = Callable[..., Path]

# The author of a package writes no more than this, and an entry point in the metadata.
DECLARATION = """
from core.module import Module
from core.routing import ProtectedRouter

router = ProtectedRouter()

@router.get("/books")
async def list_books() -> list[str]:
    \"\"\"List the books.\"\"\"
    return ["Emma"]

module = Module(name="library", description="Books.", router=router)
"""
PACKAGES = ("school_library", "reading_room")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package as pip does: its files, and a folder with its metadata."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(text: str = DECLARATION, *, package: str = "school_library", entry: str = "library") -> Path:
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[student_api.modules]\n{entry} = {package}\n")
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(text)
        importlib.invalidate_caches()
        return tmp_path / package

    yield install
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]


def refusal() -> str:
    with pytest.raises(StartupError) as raised:
        discover()
    return str(raised.value)


def test_an_installed_module_is_found_beside_the_folders(install: Install) -> None:
    before = [module.name for module in discover()]
    install()
    assert [module.name for module in discover()] == sorted([*before, "library"])


def test_an_installed_module_is_served_and_protected(install: Install, open_client: AppClient) -> None:
    install()
    client = open_client(modules=discover())
    assert client.get("/books").status_code == 401
    assert sign_in(client).get("/books").json() == ["Emma"]
    assert client.get("/openapi.json").json()["paths"]["/books"]["get"]["tags"] == ["library"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "declares no module"),
        (DECLARATION.replace('"library"', '"books"'), "'books'"),
        ("raise RuntimeError('oh')", "RuntimeError: oh"),
        ("def", "SyntaxError: "),
        (DECLARATION.replace("ProtectedRouter", "PublicRouter"), "ProtectedRouter"),
    ],
)
def test_the_error_names_a_broken_package(install: Install, text: str, named: str) -> None:
    install(text)
    message = refusal()
    assert named in message
    assert "school_library (entry point library of school_library)" in message


def test_an_entry_point_without_a_package_is_refused(install: Install) -> None:
    folder = install()
    folder.rename(folder.with_name("other"))
    importlib.invalidate_caches()
    assert "is not a package" in refusal()
    folder.with_suffix(".py").write_text(DECLARATION)
    importlib.invalidate_caches()
    assert "is not a package" in refusal()


def test_a_name_that_is_no_identifier_is_refused(install: Install) -> None:
    install(entry="school-library")
    assert "school-library" in refusal()


def test_a_name_that_is_taken_is_refused(install: Install) -> None:
    install(DECLARATION.replace('"library"', '"students"'), entry="students")
    message = refusal()
    assert "modules/students/__init__.py" in message
    assert "school_library (entry point students of school_library)" in message


def test_two_packages_with_one_name_are_refused(install: Install) -> None:
    install()
    install(package="reading_room")
    message = refusal()
    assert all(package in message for package in PACKAGES)


def test_a_route_that_a_folder_has_is_refused(install: Install) -> None:
    install(DECLARATION.replace("/books", "/students"))
    with pytest.raises(StartupError, match="GET /students"):
        create_app(Settings(), discover())


def test_an_installed_module_can_be_disabled(install: Install) -> None:
    install("raise RuntimeError")
    assert "library" not in [module.name for module in discover(disabled=["library"])]


def test_an_installed_module_that_imports_a_disabled_one_is_disabled_too(install: Install) -> None:
    install(f"from modules.analytics import module as other\n{DECLARATION}")
    uses = "from school_library import module as other\n"
    install(uses + DECLARATION.replace('"library"', '"rooms"'), package="reading_room", entry="rooms")
    assert not {"library", "rooms"} & {module.name for module in discover(disabled=["analytics"])}
    assert "library" in [module.name for module in discover(disabled=["rooms"])]
