"""Students for tests of statistics: put into the database at once, as the service would have stored them."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.testclient import TestClient

from modules.students import StudentDocument

Marks = Mapping[str, int | float]


def student(roll_no: str, marks: Marks, branch: str = "Physics", **changes: Any) -> StudentDocument:
    """A student who was not stored yet."""
    content = {"name": f"Name of {roll_no}", "updated_by": "alice"} | changes
    return StudentDocument(roll_no=roll_no, branch=branch, marks=dict(marks), **content)


def enter(client: TestClient, students: Sequence[StudentDocument]) -> None:
    """Let the database hold these students and no others."""
    assert client.portal

    async def replace_all() -> None:
        await StudentDocument.get_motor_collection().delete_many({})
        if students:
            await StudentDocument.insert_many(students)

    client.portal.call(replace_all)


def by_math(client: TestClient, *marks: int | float) -> None:
    """Let there be a student for each of these marks in math: S1, S2 and so on."""
    enter(client, [student(f"S{number}", {"math": mark}) for number, mark in enumerate(marks, 1)])
