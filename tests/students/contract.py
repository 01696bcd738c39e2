"""The exceptions of the module from the contract."""

from tests.contract.exceptions import Exempt

EXCEPTIONS = (
    Exempt(
        "GET /students",
        "sorts_by_indexes",
        "The list can be sorted by any two fields, too many for an index each; the command has a time limit.",
    ),
    Exempt(
        "POST /students/{roll_no}/merge",
        "answers_its_examples",
        "The students of the example have different marks, and the example chooses none.",
    ),
    Exempt(
        "POST /students/{roll_no}/merge/undo",
        "answers_its_examples",
        "It undoes the last change of the student, which must be a merge.",
    ),
    Exempt(
        "POST /subjects/{subject}/merge",
        "answers_its_examples",
        "No student has marks in the subject of the example: a merge would make other examples name one subject twice.",
    ),
)
