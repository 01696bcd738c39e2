"""The contract on erased students finds a module that keeps their ids."""

import re
from dataclasses import fields, replace
from typing import Any

from core.events import Follow
from core.module import Module
from modules.students import ERASED
from tests.contract import erasure
from tests.contract.conftest import started_with
from tests.contract.declaration import MongoDatabase
from tests.contract.isolation import MODULES, together
from tests.students.attendance import module as attendance

FILE = r"tests/students/attendance\.py, line \d+"


async def fail(_: object) -> None:
    raise RuntimeError("oh")


STUDENTS = next(module for module in MODULES if module.name == "students")


class Keeping(Module):
    """A module whose references do nothing."""

    @property
    def followed(self) -> tuple[Follow[Any], ...]:
        return self.follows


def test_a_module_that_keeps_the_id_of_an_erased_student_is_found(database: MongoDatabase, mongodb_url: str) -> None:
    keeping = Keeping(**{one.name: getattr(attendance, one.name) for one in fields(attendance)})

    for module, wrong in (
        (attendance, ""),
        (keeping, rf"keeps the _id of .* in the collection attendance \({FILE}\): declare references, .*"),
        (
            replace(attendance, follows=(Follow(ERASED, fail),)),
            r"answers 202 to the erasure .*: RuntimeError: oh \(tests/contract/test_erasure_can_fail\.py, line \d+\)",
        ),
    ):
        database.client.drop_database(database)
        modules = [STUDENTS, module]
        with started_with(together(modules), mongodb_url, database.name) as client:
            lines = list(erasure.keeps_nothing_of_erased_students(modules, client, database))
        assert re.fullmatch(wrong, "".join(lines[:1])), lines
