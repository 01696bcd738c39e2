"""The exceptions of the module from the contract."""

from tests.contract.exceptions import Exempt

EXCEPTIONS = tuple(
    Exempt(operation, "finds_by_indexes", "It is computed from all students; few such queries run at once.")
    for operation in ("GET /statistics", "GET /statistics.svg", "GET /report-cards/{roll_no}")
)
