"""Tests of `python -m core new-module`: the files that it writes, and the names that it refuses."""

import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from beanie import Document

from core.__main__ import main
from core.cli.new_module.command import check_is_free
from core.cli.new_module.names import Names, names_for
from core.cli.new_module.writing import PARTS, PLACES, write_module
from core.command import Command, CommandError
from core.errors import Conflict
from core.module import Module
from core.registry import discover
from core.routing.router import ProtectedRouter, PublicRouter
from core.settings import ModuleSettings
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

# Names of very different lengths, so that long lines would be wrapped differently; one singular is a Python keyword.
GENERATED: dict[str, Sequence[str]] = {"ax1s": (), "classes": (), "extra_curricular_activities": PARTS}
CHECKED = {
    **GENERATED,
    "x" * 29 + "s": (),
    "bx1s": PARTS,
    "y" * 29 + "s": PARTS,
    **{f"{part}_boxes": [part] for part in PARTS},
}

UNUSED = "umbrella_stands"
"""A name that no module of this checkout has, unlike `courses`, which the tutorial creates."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a root with the two folders in which modules are created."""
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
def test_the_singular_is_derived_from_the_plural(plural: str, singular: str) -> None:
    assert names_for(plural) == Names(plural, singular)


@pytest.mark.parametrize("plural", ["people", "staff", "campus", "glass"])
def test_an_unknown_singular_must_be_given(plural: str) -> None:
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
def test_the_article_suits_the_singular(singular: str, one: str) -> None:
    assert Names("things", singular).one == one


def test_every_form_of_the_placeholder_is_replaced() -> None:
    template = "class LostItemRead: lost_items lost_item /lost-items lost-item 'A lost item.' a lost item, Lost items"
    assert Names("open_days", "open_day").put_into(template) == (
        "class OpenDayRead: open_days open_day /open-days open-day 'An open day.' an open day, Open days"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("class", "match"),  # Python keywords
        *("statistics", "calendar"),  # modules of the standard library
        *("service", "core", "modules", "tests", "docs"),
        *("", "x", "Courses", "open-days", "1st", "_x", "a__b", "ab_", "é", "../ab", "a b", "ab\n", "a.b", "x" * 31),
    ],
)
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match=re.escape(repr(name))):
        names_for(name, "thing")


@pytest.mark.parametrize("singular", ["", "Course", "a b", "../x"])
def test_an_invalid_singular_is_refused(singular: str) -> None:
    with pytest.raises(CommandError, match=re.escape(repr(singular or "people"))):
        names_for("people", singular)


@pytest.mark.parametrize("plural", ["requests", "pages", "listings", "roles", "exceptions"])
def test_a_name_that_the_generated_code_uses_is_refused(plural: str, checkout: Path) -> None:
    with pytest.raises(CommandError, match="--singular"):
        write_module(names_for(plural), checkout)
    assert files_below(checkout) == {}


class Claimed(Document):
    class Settings:
        name = "courses"


def routes(path: str) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.get(path)
    async def read(code: str) -> None:
        """Read."""

    return router


def test_a_singular_whose_problem_type_exists_is_refused() -> None:
    with pytest.raises(CommandError, match="/problems/mark-not-found"):
        check_is_free(names_for("grades", "mark"), discover())


class SettingsOfCourses(ModuleSettings, env_prefix="COURSES_"):
    max_name_length: int = 5


async def count(_: Namespace) -> str:
    return ""


COUNT = Command(name="count-courses", help="Count.", add_arguments=lambda _: None, run=count)


@pytest.mark.parametrize("name", ["findings", "previews", "subject_changes"])
def test_a_name_whose_schemas_exist_is_refused(name: str) -> None:
    """The service would not start with the new module."""
    schema = f"{names_for(name).type_name}Read"
    with pytest.raises(CommandError, match=rf"^The module \w+ already has the schema {schema}\. Choose .*--singular"):
        check_is_free(names_for(name), discover())
    check_is_free(names_for(name, f"kept_{names_for(name).singular}"), discover())


class CourseCodeTaken(Conflict):
    """The code of a problem.

    Choose another one.
    """


def test_a_name_whose_second_problem_type_exists_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CourseCodeTaken, "__module__", "modules.students.service")
    monkeypatch.setattr("modules.students.service.CourseCodeTaken", CourseCodeTaken, raising=False)
    with pytest.raises(CommandError, match="/problems/course-code-taken already exists"):
        check_is_free(names_for("courses"), discover())


@pytest.mark.parametrize(
    ("declared", "declaration"),
    [
        (Module(name="courses"), "module courses"),
        (Module(name="other", settings=SettingsOfCourses), "setting COURSES_MAX_NAME_LENGTH"),
        (Module(name="other", commands=(COUNT,)), "command count-courses"),
        (Module(name="other", documents=(Claimed,)), "collection courses"),
        (Module(name="other", router=routes("/courses")), "route GET /courses"),
        (Module(name="other", router=routes("/courses/{code}/rooms")), "route GET /courses/{code}/rooms"),
    ],
)
def test_conflicts_with_another_module_are_refused(declared: Module, declaration: str) -> None:
    with pytest.raises(CommandError, match=rf"\b{declared.name}\b.*{re.escape(declaration)}"):
        check_is_free(names_for("courses"), [declared])


def test_similar_names_are_not_refused() -> None:
    other = Module(name="course", router=routes("/courses-of-old"), public_router=PublicRouter())
    check_is_free(names_for("courses"), [other])


@pytest.mark.parametrize("taken", ["modules/courses", "tests/courses"])
def test_an_existing_folder_is_not_changed(taken: str, checkout: Path) -> None:
    (checkout / taken).mkdir()
    with pytest.raises(CommandError, match=taken):
        write_module(names_for("courses"), checkout)
    assert [str(path.relative_to(checkout)) for path in checkout.rglob("courses")] == [taken]


@pytest.mark.parametrize("missing", ["modules", "tests"])
def test_either_both_folders_are_written_or_none(missing: str, checkout: Path) -> None:
    (checkout / missing).rmdir()
    with pytest.raises(CommandError, match="No such file or directory"):
        write_module(names_for("courses"), checkout)
    assert files_below(checkout) == {}
    assert {path.name for path in checkout.iterdir()} == {"modules", "tests"} - {missing}


def test_no_other_file_is_changed(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    before = files_below(checkout)

    done = run_python(checkout, "-m", "core", "new-module", UNUSED)

    assert (done.returncode, done.stderr) == (0, "")
    assert all(part in done.stdout for part in (f"modules/{UNUSED}/", f"tests/{UNUSED}/"))
    after = files_below(checkout)
    assert after.items() >= before.items()
    assert after.keys() - before.keys() == {file.replace("{}", UNUSED) for file in FILES}
    assert not [path for path in after if b"lost" in after[path].lower() and path not in before]


@pytest.mark.parametrize("parts", [*([part] for part in PARTS), PARTS], ids="+".join)
def test_the_parts_that_were_chosen_are_written_with_their_tests(parts: Sequence[str], checkout: Path) -> None:
    write_module(names_for(UNUSED), checkout, parts)

    written = {file: text.decode() for file, text in files_below(checkout).items()}
    declared = re.findall(r"(migration|setting|job|reference|command)s?=", written[f"modules/{UNUSED}/__init__.py"])
    assert sorted(declared) == sorted(part.removesuffix("s") for part in parts)
    assert not [file for file, text in written.items() if "# with" in text or "lost" in text.lower()]
    others = written.keys() - {file.replace("{}", UNUSED) for file in FILES}
    assert len(written) == len(FILES) + len(others)
    assert {part for part in PARTS for file in others if part in file} == {*parts}
    assert {file for file in others if file.startswith("tests/")} == {
        f"tests/{UNUSED}/test_{part.removesuffix('s')}s.py" for part in parts
    }


def test_only_names_that_the_chosen_parts_use_are_refused(checkout: Path) -> None:
    with pytest.raises(CommandError, match="uses the name 'Reference' itself"):
        write_module(names_for("references"), checkout, ["reference"])
    write_module(names_for("references"), checkout)


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["new-module", UNUSED, "--with", "job,jobs"])
    assert "jobs is unknown; choose from reference, job," in capsys.readouterr().err


def test_it_needs_no_database_and_reports_errors_in_one_line(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    (checkout / ".env").write_text("MONGODB_URL=mongodb://127.0.0.1:1\n")
    before = files_below(checkout)

    for name in ("students", "X"):
        done = run_python(checkout, "-m", "core", "new-module", name)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert name in done.stderr
    assert files_below(checkout) == before
    assert run_python(checkout, "-m", "core", "new-module", UNUSED).returncode == 0


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout with several new modules."""
    checkout = copy_with(GENERATED, tmp_path_factory)
    done = run_python(checkout, "-m", "core", "settings")
    assert done.returncode == 0, done.stderr
    return checkout


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout with many new modules, whose code is checked, but not run."""
    return copy_with(CHECKED, tmp_path_factory)


def copy_with(modules: Mapping[str, Sequence[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout with new modules of these names and parts."""
    checkout = copy_checkout(tmp_path_factory.mktemp("checkout"))
    for name, parts in modules.items():
        write_module(names_for(name), checkout, parts)
    return checkout


@pytest.mark.needs("ruff", "mypy")
@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_the_generated_code_passes_the_checks(checked: Path, command: list[str]) -> None:
    done = run_python(checked, "-m", *command, *(f"{place}/{name}" for place in PLACES for name in CHECKED))
    assert done.returncode == 0, done.stdout


def test_the_generated_code_keeps_the_import_rules(checked: Path) -> None:
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = run_python(checked, "-c", program)
    assert done.returncode == 0, done.stdout


def test_the_generated_tests_pass_and_so_does_the_contract(generated: Path) -> None:
    names = ["classes", "extra_curricular_activities"]
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
def test_the_generated_tests_detect_broken_code(generated: Path, file: str, line: str, instead: str) -> None:
    source = generated / "modules" / "ax1s" / file
    text = source.read_text()
    assert line in text
    source.write_text(text.replace(line, instead))
    try:
        done = run_python(generated, "-m", "pytest", "-q", "-x", "-n", "0", "tests/ax1s")
    finally:
        source.write_text(text)
    assert (done.returncode, "failed" in done.stdout) == (1, True), done.stdout


# Fields of ordinary types, as written in the document and in the schemas, each with an example.
FIELDS = {
    "starts": ("date", "2026-09-01"),
    "identity": ("UUID", "00000000-0000-0000-0000-000000000007"),
    "lasts": ("timedelta", "P1DT1H"),
    "tags": ("set[str]", ["a"]),
    "page": ("HttpUrl", "https://a.example/"),
    "price": ("DecimalAnnotation", "1.10"),
    "seats": ("int", 30),
    "days": ("dict[date, set[timedelta]]", {"2026-09-01": ["PT1H"]}),
}
IMPORTS = """
from datetime import date, time, timedelta
from uuid import UUID
from beanie import DecimalAnnotation
from pydantic import HttpUrl
"""


def add_fields(checkout: Path, fields: dict[str, tuple[str, object]]) -> None:
    """Add fields to the generated module of courses and to its tests."""
    lines = "".join(f"    {name}: {kind}\n" for name, (kind, _) in fields.items())
    for file in ("models.py", "schemas.py"):
        path = checkout / "modules" / "courses" / file
        docstring, code = path.read_text().split("\n", 1)
        path.write_text(docstring + IMPORTS + re.sub(r"    name: (str|PrintableLine)\n", rf"\g<0>{lines}", code))
    example = "".join(f", {name!r}: {value!r}" for name, (_, value) in fields.items())
    for path in (checkout / "modules/courses/schemas.py", checkout / "tests/courses/test_courses.py"):
        path.write_text(path.read_text().replace('"The first course"}', f'"The first course"{example}}}'))


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    """Return a copy of the checkout with a generated module."""
    checkout = copy_checkout(tmp_path)
    write_module(names_for("courses"), checkout)
    return checkout


def test_a_generated_module_stores_fields_of_ordinary_types(courses: Path) -> None:
    add_fields(courses, FIELDS)
    done = run_python(
        courses,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "tests/courses",
        "tests/contract/test_every_module.py",
        "-k",
        "courses",
    )
    assert done.returncode == 0, done.stdout


def test_a_generated_module_does_not_start_with_a_field_that_cannot_be_stored(courses: Path) -> None:
    add_fields(courses, {"opens": ("time", "09:30:00")})
    done = run_python(courses, "-c", "from core.app import create_app; create_app()")
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert "modules/courses/models.py, line " in error
    assert "the field opens of Course has a type that cannot be stored and read again: time. Use" in error
