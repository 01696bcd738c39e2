"""Codes and messages of invalid values, written for API users instead of users of pydantic or FastAPI."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

_LIBRARY_TYPES = frozenset(get_args(ErrorType))
"""The types of pydantic's own errors. The validators of modules raise others: codes, with messages of their own."""

_UNKNOWN = "invalid"

SENTENCES: Mapping[str, str] = {
    "missing": "This is required.",
    "extra_forbidden": "This is not a known field or parameter.",
    "json_invalid": "This is not valid JSON.",
    "object": "Send a JSON object, with the header Content-Type: application/json.",
    "dict_type": "This must be a JSON object.",
    "list_type": "This must be a list.",
    "too_short": "This must have at least {min_length} entries.",
    "too_long": "This must have at most {max_length} entries.",
    "string_type": "This must be text.",
    "string_unicode": "This must be valid Unicode text, without lone surrogates.",
    "string_too_short": "This must have at least {min_length} characters.",
    "string_too_long": "This must have at most {max_length} characters.",
    "pattern": "This must match the pattern {pattern}.",
    "choice": "This must be {expected}.",
    "bool_type": "This must be true or false.",
    "int_type": "This must be a whole number.",
    "number_type": "This must be a number, such as 40 or 72.5.",
    "greater_than_equal": "This must be {ge} or more.",
    "greater_than": "This must be more than {gt}.",
    "less_than_equal": "This must be {le} or less.",
    "less_than": "This must be less than {lt}.",
    "multiple_of": "This must be a multiple of {multiple_of}.",
    "decimal_max_digits": "This must have at most {max_digits} digits.",
    "decimal_whole_digits": "This must have at most {whole_digits} digits before the decimals.",
    "decimal_max_places": "This must have at most {decimal_places} decimals.",
    "date_type": "This must be a date, such as 2026-11-22.",
    "datetime_type": "This must be a time with its zone, such as 2026-11-22T09:30:00Z.",
    "time_type": "This must be a time of day, such as 09:30.",
    _UNKNOWN: "This is not valid. The documentation of this operation describes what is allowed.",
}
"""The message for each code, with the values of the error's context."""

_CODES: Mapping[str, str] = {
    "model_type": "object",
    "model_attributes_type": "object",
    "tuple_type": "list_type",
    "set_type": "list_type",
    "string_pattern_mismatch": "pattern",
    "literal_error": "choice",
    "enum": "choice",
    "bool_parsing": "bool_type",
    "int_parsing": "int_type",
    "int_parsing_size": "int_type",
    "int_from_float": "int_type",
    "float_type": "number_type",
    "float_parsing": "number_type",
    "decimal_type": "number_type",
    "decimal_parsing": "number_type",
    "finite_number": "number_type",
    "date_parsing": "date_type",
    "date_from_datetime_parsing": "date_type",
    "date_from_datetime_inexact": "date_type",
    "datetime_parsing": "datetime_type",
    "datetime_object_invalid": "datetime_type",
    "datetime_from_date_parsing": "datetime_type",
    "timezone_aware": "datetime_type",
    "time_parsing": "time_type",
}
"""The codes of pydantic's types whose codes differ from their names."""

_UNREADABLE: Mapping[str, str] = {
    # FastAPI's message for bytes that are not UTF-8, excessive nesting, and numbers of five thousand digits.
    "There was an error parsing the body": "The body cannot be parsed as its Content-Type.",
}


def code_of(error: Mapping[str, Any]) -> str:
    """Return the code of a pydantic error. `ERROR_CODES` and the modules explain the codes."""
    kind: str = error["type"]
    code = _CODES.get(kind, kind)
    return _UNKNOWN if code in _LIBRARY_TYPES and code not in SENTENCES else code


def sentence_of(error: Mapping[str, Any], known: Iterable[str] = ()) -> str:
    """Return the message for a pydantic error. `known` are the names that the error's field could have had."""
    if error["type"] not in _LIBRARY_TYPES:
        return str(error["msg"])
    code = code_of(error)
    if code == "string_too_short" and error["ctx"]["min_length"] == 1:
        return "This must not be empty."
    sentence = SENTENCES[code].format_map(error.get("ctx", {}))
    names = ", ".join(known) if code == "extra_forbidden" else ""
    return f"{sentence} Choose from {names}." if names else sentence


def plain(sentence: str) -> str:
    """Return the replacement for a message of the framework, or the message itself if there is none."""
    return _UNREADABLE.get(sentence, sentence)
