"""Tests of the messages and codes of pydantic's errors: none shows a sentence of pydantic."""

from collections.abc import Callable, Iterator
from inspect import isfunction
from typing import Annotated, Any, get_type_hints

import pytest
from fastapi import Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import AfterValidator, TypeAdapter, ValidationError

from core.api.error_codes import ERROR_CODES
from core.api.validation_messages import code_of, sentence_of
from core.registry import discover
from tests.contract.messages import LIBRARY_ERRORS, is_of_a_library

# The errors of each kind of schema, and those of its constraints by name.
KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool_type", "bool_parsing"),
    "date": ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
    "datetime": ("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"),
    "decimal": ("decimal_type", "decimal_parsing", "finite_number"),
    "dict": ("dict_type",),
    "float": ("float_type", "float_parsing", "finite_number"),
    "enum": ("enum",),
    "int": ("int_type", "int_parsing", "int_parsing_size", "int_from_float"),
    "list": ("list_type",),
    "literal": ("literal_error",),
    "model": ("model_type", "model_attributes_type"),
    "model-fields": ("missing", "extra_forbidden"),
    "str": ("string_type", "string_unicode"),
    # Only a module's own function, or the kinds inside, can fail.
    **dict.fromkeys(("any", "default", "function-after", "function-before", "function-plain", "function-wrap"), ()),
    **dict.fromkeys(("json-or-python", "lax-or-strict", "model-field", "nullable"), ()),
}
CONSTRAINTS: dict[str, dict[str, tuple[str, ...]]] = {
    "str": {
        "min_length": ("string_too_short",),
        "max_length": ("string_too_long",),
        "pattern": ("string_pattern_mismatch",),
    },
    "list": {"min_length": ("too_short",), "max_length": ("too_long",)},
    "dict": {"min_length": ("too_short",), "max_length": ("too_long",)},
    "decimal": {
        "max_digits": ("decimal_max_digits", "decimal_whole_digits"),
        "decimal_places": ("decimal_max_places",),
    },
    "datetime": {"tz_constraint": ("timezone_aware",)},
}
NUMBERS = {
    "ge": ("greater_than_equal",),
    "gt": ("greater_than",),
    "le": ("less_than_equal",),
    "lt": ("less_than",),
    "multiple_of": ("multiple_of",),
}


def possible_errors(schema: Any) -> Iterator[str]:
    """Yield the types of the errors that a schema of pydantic can raise, except for those of functions."""
    if isinstance(schema, list | tuple):
        for part in schema:
            yield from possible_errors(part)
    elif isinstance(schema, dict) and "custom_error_type" in schema:  # replaces the errors of its parts
        yield schema["custom_error_type"]
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if isinstance(kind, str):
            yield from KINDS[kind]
        for name, part in schema.items():
            yield from CONSTRAINTS.get(str(kind), {}).get(name, NUMBERS.get(name, ()))
            if name not in ("type", "metadata", "serialization", "config", "function", "cls"):
                yield from possible_errors(part)


def inputs_of(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the types of the parameters and bodies of a route, and of its dependencies."""
    for name, hint in get_type_hints(function, include_extras=True).items():
        marks = getattr(hint, "__metadata__", ())
        for dependency in (mark.dependency for mark in marks if isinstance(mark, Depends)):
            if isfunction(dependency):
                yield from inputs_of(dependency)
        if name != "return" and not any(isinstance(mark, Depends) for mark in marks):
            yield hint


def inputs_of_the_api() -> list[Any]:
    routers = [router for module in discover() for router in (module.router, module.public_router) if router]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return [hint for route in routes for hint in inputs_of(route.endpoint) if hint not in (Request, Response)]


def test_each_error_that_the_schemas_of_the_api_can_raise_has_a_code_of_its_own() -> None:
    inputs = inputs_of_the_api()
    assert len(inputs) > 60
    possible = {kind for hint in inputs for kind in possible_errors(TypeAdapter(hint).core_schema)}
    assert {"missing", "literal_error", "enum", "string_too_long", "finite_number", "timezone_aware"} <= possible
    assert possible <= LIBRARY_ERRORS.keys()
    assert {kind for kind in possible if code_of({"type": kind}) == "invalid"} == set()


@pytest.mark.parametrize("kind", LIBRARY_ERRORS)
def test_no_message_is_a_sentence_of_pydantic(kind: Any) -> None:
    error = LIBRARY_ERRORS[kind]
    assert is_of_a_library(error.message())
    raised = {"type": error.type, "msg": error.message(), "ctx": error.context}
    assert not is_of_a_library(sentence_of(raised))
    assert code_of(raised) in ERROR_CODES


def test_the_text_of_an_exception_in_a_validator_is_not_shown() -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(Annotated[str, AfterValidator(int)]).validate_python("hunter2")
    (error,) = raised.value.errors()
    assert (code_of(error), "hunter2" in sentence_of(error)) == ("invalid", False)


def test_a_message_of_a_module_is_kept() -> None:
    error = {"type": "subject_dot", "msg": "A subject cannot contain a dot."}
    assert (code_of(error), sentence_of(error)) == ("subject_dot", "A subject cannot contain a dot.")
