"""The contract on erased students finds a module that keeps their ids."""

from dataclasses import fields
from typing import Any

from core.events import Follow
from core.module import Module
from tests.contract import erasure
from tests.contract.conftest import started_with
from tests.contract.declaration import MongoDatabase
from tests.contract.isolation import MODULES, together
from tests.students.attendance import module as attendance

STUDENTS = next(module for module in MODULES if module.name == "students")


class Keeping(Module):
    """A module whose references do nothing."""

    @property
    def followed(self) -> tuple[Follow[Any], ...]:
        return self.follows


def test_a_module_that_keeps_the_id_of_an_erased_student_is_found(database: MongoDatabase, mongodb_url: str) -> None:
    forgetful, keeping = attendance, Keeping(**{one.name: getattr(attendance, one.name) for one in fields(attendance)})

    for module, wrong in (
        (forgetful, []),
        (keeping, ["keeps the _id of an erased student in the collection attendance"]),
    ):
        database.client.drop_database(database)
        modules = [STUDENTS, module]
        with started_with(together(modules), mongodb_url, database.name) as client:
            assert list(erasure.keeps_nothing_of_erased_students(modules, client, database)) == wrong
