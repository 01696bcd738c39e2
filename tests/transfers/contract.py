"""The exceptions of the module from the contract."""

from modules.transfers.columns.cell_values import CODES
from modules.transfers.error_codes import ERROR_CODES
from tests.contract.exceptions import Exempt

# Codes that depend on the cell or on the column.
COMPUTED_CODES = {*CODES, *(code for code in ERROR_CODES if code.startswith("column_")), "erased"}

EXCEPTIONS = (
    Exempt("POST /imports/preview", "takes_idempotency_keys", "It stores nothing."),
    Exempt("POST /imports/preview/upload", "takes_idempotency_keys", "It stores nothing."),
    Exempt(
        "GET /exports/students",
        "sorts_by_indexes",
        "The list can be sorted by any two fields, too many for an index each; the command has a time limit.",
    ),
    Exempt("POST /imports/{import_id}/resume", "answers_its_examples", "It needs an import that was interrupted."),
    *(
        Exempt(operation, "carries_out_a_repeated_request_once", "The key is that of an import, which can be resumed.")
        for operation in ("POST /imports", "POST /imports/upload")
    ),
)
