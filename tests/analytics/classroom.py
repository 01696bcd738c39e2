"""Helpers that store students directly in the database, as the service would have stored them."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.testclient import TestClient

from modules.students import MarkFigures, StudentDocument, SubjectCatalog
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.models import Subject
from modules.students.subject_catalog.spelling import spelling_key

Marks = Mapping[str, int | float]


def student(roll_no: str, marks: Marks, branch: str = "Physics", **changes: Any) -> StudentDocument:
    """Return a student who is not stored yet."""
    content = {"name": f"Name of {roll_no}", "updated_by": "alice"} | changes
    return StudentDocument(roll_no=roll_no, branch=branch, marks=dict(marks), **content)


def store_students(client: TestClient, students: Sequence[StudentDocument]) -> None:
    """Replace all students in the database by these."""
    assert client.portal

    async def replace_all() -> None:
        figures = MarkFigures(await SubjectCatalog.read())
        for one in students:
            one.keys.compute_figures(one.marks, figures)
        await StudentDocument.get_motor_collection().delete_many({})
        if students:
            await StudentDocument.insert_many(students)

    client.portal.call(replace_all)


def store_math_marks(client: TestClient, *marks: int | float) -> None:
    """Replace all students in the database by one for each of these marks in math: S1, S2 and so on."""
    store_students(client, [student(f"S{number}", {"math": mark}) for number, mark in enumerate(marks, 1)])


def declare(client: TestClient, name: str, **declared: Any) -> None:
    """Declare a subject, in place of an earlier declaration."""
    assert client.portal

    async def replace() -> None:
        await Subject.find(Subject.name == name).delete()
        await Subject(name=name, spellings=[spelling_key(name)], declared=True, **declared).insert()
        catalog.invalidate()

    client.portal.call(replace)
