"""The exceptions of the module from the contract."""

from tests.contract.exceptions import Exempt

EXCEPTIONS = (
    Exempt("POST /imports/preview", "takes_idempotency_keys", "It stores nothing."),
    Exempt("POST /imports/preview/upload", "takes_idempotency_keys", "It stores nothing."),
    *(
        Exempt(operation, "carries_out_a_repeated_request_once", "The key is that of an import, which can be resumed.")
        for operation in ("POST /imports", "POST /imports/upload")
    ),
)
