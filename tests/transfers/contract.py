"""The exceptions of the module from the contract."""

from tests.contract.exceptions import Exempt

EXCEPTIONS = (
    Exempt("POST /imports/preview", "takes_idempotency_keys", "It stores nothing."),
    Exempt("POST /imports/preview/upload", "takes_idempotency_keys", "It stores nothing."),
    *(
        Exempt(operation, contract, "It reads its body itself, and takes any text as the key of an import.")
        for operation in ("POST /imports", "POST /imports/upload")
        for contract in ("takes_idempotency_keys", "carries_out_a_repeated_request_once")
    ),
)
