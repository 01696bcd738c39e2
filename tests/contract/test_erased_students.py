"""No module keeps anything of a student who has been erased: this test runs for each folder of `modules/`."""

from core.module import Module
from tests.contract.conftest import started_with
from tests.contract.declaration import MongoDatabase
from tests.contract.erasure import keeps_nothing_of_erased_students, with_all_used
from tests.contract.findings import report
from tests.contract.isolation import together


def test_nothing_of_an_erased_student_is_kept(module: Module, database: MongoDatabase, mongodb_url: str) -> None:
    database.client.drop_database(database)
    modules = with_all_used(module)
    with started_with(together(modules), mongodb_url, database.name) as client:
        report(keeps_nothing_of_erased_students(modules, client, database))
