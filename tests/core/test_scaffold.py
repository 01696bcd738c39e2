"""`python -m core new-module`: what it writes, what it refuses, and that it leaves everything else alone."""

import re
from pathlib import Path

import pytest
from beanie import Document

from core.cli.new_module.command import check_is_free
from core.cli.new_module.names import Names, names_for
from core.cli.new_module.writing import PLACES, write_module
from core.command import CommandError
from core.module import Module
from core.registry import discover
from core.routing.router import ProtectedRouter, PublicRouter
from tests.checkout import copy_checkout, run_python

pytestmark = pytest.mark.process

FILES = {
    "modules/{}/__init__.py",
    "modules/{}/models.py",
    "modules/{}/router.py",
    "modules/{}/schemas.py",
    "modules/{}/service.py",
    "tests/{}/__init__.py",
    "tests/{}/test_{}.py",
}

# Of very different lengths, so that lines would be wrapped elsewhere; and a singular that is a word of Python.
GENERATED = ["ax1s", "classes", "extra_curricular_activities", "x" * 29 + "s"]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A root with the two folders that a module is put into."""
    for place in ("modules", "tests"):
        (tmp_path / place).mkdir()
    return tmp_path


def files_below(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("courses", "course"),
        ("houses", "house"),
        ("libraries", "library"),
        ("extra_curricular_activities", "extra_curricular_activity"),
        ("classes", "class"),
        ("churches", "church"),
        ("dishes", "dish"),
        ("boxes", "box"),
        ("ties", "tie"),
        ("open_days", "open_day"),
    ],
)
def test_the_singular_is_made_from_the_plural(plural: str, singular: str) -> None:
    assert names_for(plural) == Names(plural, singular)


@pytest.mark.parametrize("plural", ["people", "staff", "campus", "glass"])
def test_where_no_singular_is_known_it_is_asked_for(plural: str) -> None:
    with pytest.raises(CommandError, match=f"{plural}.*--singular"):
        names_for(plural)
    assert names_for(plural, "one_of_them").singular == "one_of_them"


@pytest.mark.parametrize(
    ("singular", "one"),
    [
        ("course", "a course"),
        ("open_day", "an open day"),
        ("unit", "a unit"),
        ("user", "a user"),
        ("umbrella", "an umbrella"),
        ("one_off", "a one off"),
        ("euro", "a euro"),
    ],
)
def test_one_of_them_has_its_article(singular: str, one: str) -> None:
    assert Names("things", singular).one == one


def test_each_form_of_the_name_is_put_where_it_belongs() -> None:
    template = "class LostItemRead: lost_items lost_item /lost-items lost-item 'A lost item.' a lost item, Lost items"
    assert Names("open_days", "open_day").put_into(template) == (
        "class OpenDayRead: open_days open_day /open-days open-day 'An open day.' an open day, Open days"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("class", "match"),  # words of Python
        *("statistics", "calendar"),  # modules of its library
        *("service", "core", "modules", "tests", "docs"),
        *("", "x", "Courses", "open-days", "1st", "_x", "a__b", "ab_", "é", "../ab", "a b", "ab\n", "a.b", "x" * 31),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match=re.escape(repr(name))):
        names_for(name, "thing")


@pytest.mark.parametrize("singular", ["", "Course", "a b", "../x"])
def test_a_singular_that_cannot_be_used_is_refused(singular: str) -> None:
    with pytest.raises(CommandError, match=re.escape(repr(singular or "people"))):
        names_for("people", singular)


@pytest.mark.parametrize("plural", ["requests", "pages", "listings", "roles", "exceptions"])
def test_a_name_that_the_generated_code_needs_is_refused(plural: str, house: Path) -> None:
    with pytest.raises(CommandError, match="--singular"):
        write_module(names_for(plural), house)
    assert files_below(house) == {}


class Claimed(Document):
    class Settings:
        name = "courses"


def routes(path: str) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.get(path)
    async def read() -> None:
        """Read."""

    return router


def test_a_singular_whose_problem_is_taken_is_refused() -> None:
    with pytest.raises(CommandError, match="/problems/student-not-found"):
        check_is_free(names_for("pupils", "student"), discover())


@pytest.mark.parametrize(
    ("declared", "claim"),
    [
        (Module(name="courses"), "module courses"),
        (Module(name="other", documents=(Claimed,)), "collection courses"),
        (Module(name="other", router=routes("/courses")), "route GET /courses"),
        (Module(name="other", router=routes("/courses/{code}/rooms")), "route GET /courses/{code}/rooms"),
    ],
)
def test_what_another_module_has_is_refused(declared: Module, claim: str) -> None:
    with pytest.raises(CommandError, match=rf"\b{declared.name}\b.*{re.escape(claim)}"):
        check_is_free(names_for("courses"), [declared])


def test_what_only_looks_alike_is_not_refused() -> None:
    other = Module(name="course", router=routes("/courses-of-old"), public_router=PublicRouter())
    check_is_free(names_for("courses"), [other])


@pytest.mark.parametrize("taken", ["modules/courses", "tests/courses"])
def test_a_folder_that_is_there_stays_as_it_is(taken: str, house: Path) -> None:
    (house / taken).mkdir()
    with pytest.raises(CommandError, match=taken):
        write_module(names_for("courses"), house)
    assert [str(path.relative_to(house)) for path in house.rglob("courses")] == [taken]


@pytest.mark.parametrize("missing", ["modules", "tests"])
def test_either_both_folders_are_written_or_none(missing: str, house: Path) -> None:
    (house / missing).rmdir()
    with pytest.raises(CommandError, match="No such file or directory"):
        write_module(names_for("courses"), house)
    assert files_below(house) == {}
    assert {path.name for path in house.iterdir()} == {"modules", "tests"} - {missing}


def test_nothing_else_is_touched(tmp_path: Path) -> None:
    house = copy_checkout(tmp_path)
    before = files_below(house)

    done = run_python(house, "-m", "core", "new-module", "courses")

    assert (done.returncode, done.stderr) == (0, "")
    assert all(part in done.stdout for part in ("modules/courses/", "tests/courses/"))
    after = files_below(house)
    assert after.items() >= before.items()
    assert after.keys() - before.keys() == {file.replace("{}", "courses") for file in FILES}
    assert not [path for path in after if b"lost" in after[path].lower() and path not in before]


def test_it_needs_no_database_and_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    house = copy_checkout(tmp_path)
    (house / ".env").write_text("MONGODB_URL=mongodb://127.0.0.1:1\n")
    before = files_below(house)

    for name in ("students", "X"):
        done = run_python(house, "-m", "core", "new-module", name)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert name in done.stderr
    assert files_below(house) == before
    assert run_python(house, "-m", "core", "new-module", "courses").returncode == 0


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the house with several new modules."""
    house = copy_checkout(tmp_path_factory.mktemp("house"))
    for name in GENERATED:
        write_module(names_for(name), house)
    return house


@pytest.mark.needs("ruff", "mypy")
@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_what_is_generated_passes_the_checks(generated: Path, command: list[str]) -> None:
    done = run_python(generated, "-m", *command, *(f"{place}/{name}" for place in PLACES for name in GENERATED))
    assert done.returncode == 0, done.stdout


def test_what_is_generated_keeps_the_import_rules(generated: Path) -> None:
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = run_python(generated, "-c", program)
    assert done.returncode == 0, done.stdout


def test_the_generated_tests_pass_and_so_does_the_contract(generated: Path) -> None:
    names = GENERATED[1:3]
    tests = [f"tests/{name}" for name in names]
    chosen = " or ".join(names)
    done = run_python(generated, "-m", "pytest", "-q", "-n", "0", *tests, "tests/contract", "-k", chosen)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) > 60


@pytest.mark.parametrize(
    ("file", "line", "instead"),
    [
        ("models.py", ", unique=True", ""),
        ("router.py", "    dependencies=[WRITER],\n", ""),
        ("router.py", '    response.headers["ETag"] = record.etag\n', ""),
        ("router.py", "not_modified(record.etag, known) or ", ""),
        ("service.py", "expects, Ax1.remove", "Preconditions(), Ax1.remove"),
    ],
)
def test_the_generated_tests_notice_what_is_broken(generated: Path, file: str, line: str, instead: str) -> None:
    source = generated / "modules" / "ax1s" / file
    text = source.read_text()
    assert line in text
    source.write_text(text.replace(line, instead))
    try:
        done = run_python(generated, "-m", "pytest", "-q", "-x", "-n", "0", "tests/ax1s")
    finally:
        source.write_text(text)
    assert (done.returncode, "failed" in done.stdout) == (1, True), done.stdout
