"""The conventions of the API that all modules share: errors, conditional requests, pagination and field types."""

from core.api.conditional_requests import ETAG, NOT_MODIFIED, Expected, IfNoneMatch, also_as_merge_patch, not_modified
from core.api.documented_responses import (
    ANY_ROUTE,
    ETAG_EXAMPLE,
    PROBLEM_MEDIA_TYPE,
    PROTECTED_ROUTE,
    REQUEST_ID_EXAMPLE,
    ProblemDetails,
    Responses,
    header,
    operation_id,
    problem_responses,
)
from core.api.etag import UNCONDITIONAL, Preconditions, strong_etag
from core.api.location import location, url_path
from core.api.optimistic_locking import (
    TOO_MANY_CHANGES,
    Versioned,
    change_if,
    delete_if,
    retry_conflicts,
    write_current,
)
from core.api.pagination import LINK, Listing, PageQuery, decode_cursor, encode_cursor
from core.api.problem_details import ProblemResponse, as_problem, install_error_handlers
from core.api.request_body import RequestBody
from core.api.text_fields import (
    Code,
    Composed,
    DocumentedPattern,
    Printable,
    PrintableLine,
    normalized,
    plain_spaces,
    trimmed,
)
from core.api.validation_messages import sentence_of

__all__ = [
    "ANY_ROUTE",
    "ETAG",
    "ETAG_EXAMPLE",
    "LINK",
    "NOT_MODIFIED",
    "PROBLEM_MEDIA_TYPE",
    "PROTECTED_ROUTE",
    "REQUEST_ID_EXAMPLE",
    "TOO_MANY_CHANGES",
    "UNCONDITIONAL",
    "Code",
    "Composed",
    "DocumentedPattern",
    "Expected",
    "IfNoneMatch",
    "Listing",
    "PageQuery",
    "Preconditions",
    "Printable",
    "PrintableLine",
    "ProblemDetails",
    "ProblemResponse",
    "RequestBody",
    "Responses",
    "Versioned",
    "also_as_merge_patch",
    "as_problem",
    "change_if",
    "decode_cursor",
    "delete_if",
    "encode_cursor",
    "header",
    "install_error_handlers",
    "location",
    "normalized",
    "not_modified",
    "operation_id",
    "plain_spaces",
    "problem_responses",
    "retry_conflicts",
    "sentence_of",
    "strong_etag",
    "trimmed",
    "url_path",
    "write_current",
]
