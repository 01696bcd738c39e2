"""The catalog of the problem types of an app, as documented by their classes and by the routes that return them, and of
the codes of errors in fields, rows and files."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from core.api import ERROR_CODES, PROBLEM_MEDIA_TYPE, problem_responses
from core.errors import Problem, StartupError
from core.module import Module

ProblemTypes = dict[str, type[Problem]]
"""Problem classes by their `type`."""


class Operation(BaseModel):
    """One operation of the API."""

    id: str
    tag: str
    method: str
    path: str
    summary: str


class ProblemSummary(BaseModel):
    """The summary of a problem type."""

    type: str
    title: str
    status: int
    meaning: str


class ProblemRead(ProblemSummary):
    """A problem type.

    `remedy` states what a client can do, `headers` are the headers of such a response, and `operations` are the
    operations that document the problem. `kind_of` is the more general problem type, `kinds` are more specific ones.
    """

    remedy: str
    kind_of: ProblemSummary | None
    kinds: list[ProblemSummary]
    headers: dict[str, str]
    operations: list[Operation]
    example: dict[str, Any]


class ErrorCode(BaseModel):
    """The code of an error in a field, a row or a file."""

    code: str
    meaning: str


Documented = tuple[Operation, set[str]]
"""An operation, with the `type` of each problem that it documents."""


def problem_types(modules: Sequence[Module]) -> ProblemTypes:
    """Return the problem types of core and `modules`, sorted by status and title.

    Raise `StartupError` if two classes have the same name, since the URL of a problem type is derived from it.
    """
    folders = {module.name for module in modules}
    types: ProblemTypes = {}
    for problem in _subclasses(Problem):
        if not _is_declared(problem, folders):
            continue
        other = types.setdefault(problem.type_uri(), problem)
        if other is not problem:
            places = " and ".join(sorted((other.__module__, problem.__module__)))
            raise StartupError(f"The problem {problem.__name__} is declared more than once: in {places}. Rename one.")
    return dict(sorted(types.items(), key=lambda item: (item[1].status, item[1].title)))


def error_codes(modules: Sequence[Module]) -> list[ErrorCode]:
    """Return the codes of core and `modules`, sorted. Raise `StartupError` if a code is declared twice."""
    owners: dict[str, str] = {}
    found: dict[str, str] = {}
    for owner, codes in (("core", ERROR_CODES), *((module.name, module.error_codes) for module in modules)):
        for code in codes:
            if owners.setdefault(code, owner) != owner:
                raise StartupError(f"The error code {code} is declared by {owners[code]} and by {owner}. Rename one.")
        found |= codes
    return [ErrorCode(code=code, meaning=meaning) for code, meaning in sorted(found.items())]


def summary(problem: type[Problem]) -> ProblemSummary:
    """Return the summary of a problem class."""
    return ProblemSummary(
        type=problem.type_uri(), title=problem.title, status=problem.status, meaning=problem.meaning()
    )


def describe(problem: type[Problem], types: ProblemTypes, operations: Sequence[Documented]) -> ProblemRead:
    """Return the full description of a problem class."""
    (response,) = problem_responses(problem).values()
    base = problem.__mro__[1]
    return ProblemRead(
        **summary(problem).model_dump(),
        remedy=problem.remedy(),
        kind_of=summary(base) if base in types.values() else None,
        kinds=[summary(other) for other in types.values() if problem in other.__bases__],
        headers=dict(problem.documented_headers),
        operations=[operation for operation, documented in operations if problem.type_uri() in documented],
        example=response["content"][PROBLEM_MEDIA_TYPE]["examples"][problem.__name__]["value"],
    )


def operations_of(document: dict[str, Any]) -> Iterator[Documented]:
    """Yield the operations of an OpenAPI document, each with the problem types that it documents."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            named = Operation(
                id=operation["operationId"],
                tag=operation["tags"][0],
                method=method.upper(),
                path=path,
                summary=operation["summary"],
            )
            yield named, set(_types_in(operation["responses"]))


def _types_in(responses: dict[str, Any]) -> Iterator[str]:
    for response in responses.values():
        examples = response.get("content", {}).get(PROBLEM_MEDIA_TYPE, {}).get("examples", {})
        yield from (example["value"]["type"] for example in examples.values())


def _subclasses(problem: type[Problem]) -> Iterator[type[Problem]]:
    for subclass in problem.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _is_declared(problem: type[Problem], folders: set[str]) -> bool:
    """Return whether the problem has a page and is declared by core or one of these modules.

    Ignore classes that their module no longer defines: those of tests, and of modules that were reloaded.
    """
    package, _, place = problem.__module__.partition(".")
    ours = package == "core" or place.partition(".")[0] in folders
    held = getattr(sys.modules.get(problem.__module__), problem.__name__, None) is problem
    return ours and held and problem.type_uri().startswith("/")
