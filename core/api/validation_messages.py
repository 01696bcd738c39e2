"""Error messages for invalid values, written for API users instead of users of pydantic or FastAPI."""

from collections.abc import Mapping
from typing import Any

_SENTENCES = {
    "missing": "This is required.",
    "extra_forbidden": "This is not a known field or parameter.",
    "json_invalid": "This is not valid JSON: {error}.",
    "string_type": "This must be text.",
    "string_unicode": "This must be valid Unicode text, without lone surrogates.",
    "string_too_short": "This must have at least {min_length} characters.",
    "string_too_long": "This must have at most {max_length} characters.",
    "dict_type": "This must be a JSON object.",
    "model_attributes_type": "Send a JSON object, with the header Content-Type: application/json.",
    "too_long": "This must have at most {max_length} entries.",
    "int_parsing": "This must be a whole number.",
    "bool_parsing": "This must be true or false.",
    "datetime_parsing": "This must be a time, such as 2026-11-22T09:30:00Z.",
    "datetime_from_date_parsing": "This must be a time, such as 2026-11-22T09:30:00Z.",
    "timezone_aware": "This must be a time with its zone, such as 2026-11-22T09:30:00Z.",
    "greater_than_equal": "This must be {ge} or more.",
    "less_than_equal": "This must be {le} or less.",
    # FastAPI's message for bytes that are not UTF-8, excessive nesting, and numbers of five thousand digits.
    "There was an error parsing the body": "The body cannot be parsed as its Content-Type.",
}


def sentence_of(error: Mapping[str, Any]) -> str:
    """Return the message for a pydantic error; pydantic's own message if this module defines none."""
    sentence = _SENTENCES.get(error["type"])
    if error["type"] == "string_too_short" and error["ctx"]["min_length"] == 1:
        return "This must not be empty."
    return sentence.format_map(error.get("ctx", {})) if sentence else str(error["msg"])


def plain(sentence: str) -> str:
    """Return the replacement for a message of the framework, or the message itself if there is none."""
    return _SENTENCES.get(sentence, sentence)
