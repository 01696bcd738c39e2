"""The contract that no module keeps anything of a student who has been erased."""

from collections.abc import Iterator, Sequence
from typing import Any

from bson import ObjectId, encode
from fastapi.testclient import TestClient

from core.database import collection_name
from core.module import Module
from tests.contract.declaration import MongoDatabase
from tests.contract.example_requests import requests_of
from tests.contract.isolation import MODULES, all_used_by
from tests.contract.live import Session, create
from tests.contract.operations import operations_of
from tests.contract.places import place_of
from tests.contract.traffic import errors_logged

STUDENTS = "students"

# Both belong to the module of students itself: the feed reports that the student is gone, and the audit knows by the
# `_id` that the erasure is finished.
KEPT = {"student_changes", "student_erasures"}


def with_all_used(module: Module) -> list[Module]:
    """Return a module and those that it uses, those that are used by others first."""
    used = all_used_by(module.name)
    return sorted(
        [one for one in MODULES if one.name in used] + [module],
        key=lambda one: (one == module, len(all_used_by(one.name))),
    )


def keeps_nothing_of_erased_students(
    modules: Sequence[Module], client: TestClient, database: MongoDatabase
) -> Iterator[str]:
    """Store what the examples of all these modules store, erase each student, and yield each collection that still
    has the `_id` of one."""
    for module in modules:
        session, operations = Session(client, database), operations_of(module)
        create(session, operations)
        for operation in operations:
            if operation.method == "PUT":
                session.send(operation, next(requests_of(operation)))
    students = list(database[STUDENTS].find())
    documents = {collection_name(one): one for module in modules for one in module.documents}
    for student in students:
        with errors_logged() as errors:
            answer = client.delete(f"/students/{student['roll_no']}", params={"purge": "true"})
        if answer.status_code != 204:
            reason = "; ".join(errors) or answer.text
            yield f"answers {answer.status_code} to the erasure of a student: mend what follows it: {reason}"
    for name in sorted(set(database.list_collection_names()) - KEPT):
        stored = list(database[name].find())
        if any(_has(document, student["_id"]) for document in stored for student in students):
            where = f" ({place_of(documents[name])})" if name in documents else ""
            yield (
                f"keeps the _id of an erased student in the collection {name}{where}: declare references, or follow "
                "students.ERASED"
            )


def _has(document: dict[str, Any], student: ObjectId) -> bool:
    """Return whether a document has this id, as an ObjectId or as text."""
    raw = encode(document)
    return student.binary in raw or str(student).encode() in raw
