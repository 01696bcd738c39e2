"""Contracts on what an app does while it answers the documented requests. Each yields a sentence for each violation."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from httpx2 import Response
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.contract.behaviour import is_problem
from tests.contract.functions import READS_ALL
from tests.contract.operations import Operation
from tests.contract.traffic import Traffic
from tests.queries import Command, explained, filters_whole_index, plans, steps

MongoDatabase = Database[dict[str, Any]]
Contract = Callable[[Operation, Traffic, MongoDatabase], Iterator[str]]


def does_not_fail(operation: Operation, traffic: Traffic, _: MongoDatabase) -> Iterator[str]:
    """Check that no request is answered with 500 or more, although every route documents 500 and 503. The response of a
    wrong type is an error, too. So is an exception after the start of a response, or in a function without one."""
    statuses = {answer.status_code for answer in traffic.of_operation(operation) if answer.is_server_error}
    raised = traffic.failures.get(str(operation), "")
    error = raised or traffic.logged.get(str(operation), "")
    remedy = next((f": {text}" for name, text in _REMEDIES.items() if name in error), "")
    for status in sorted(statuses):
        yield f"answers {status}: {error or 'see the log'}{remedy}"
    if raised and not statuses:
        yield f"fails: {error}{remedy}"


_REMEDIES = {
    "ResponseValidation": "return what the annotation of the function says",
    "awaitable": "declare it with async def",
    "awaited": "declare it with async def",
    "InvalidDocument": "encode the filter or update with core.database.encoded",
}


def declares_its_responses(operation: Operation, traffic: Traffic, _: MongoDatabase) -> Iterator[str]:
    """Check that each status, and each type of problem, that was answered is documented."""
    answered = {(answer.status_code, _type_of(answer)) for answer in traffic.of_operation(operation)}
    for status, type_ in sorted(answered):
        declared = operation.responses.get(str(status))
        if declared is None or (type_ and type_ not in _types_in(declared)):
            yield f"answers {status} {type_ or 'without a problem'}, undeclared: add it to the route's responses=…"


def _type_of(answer: Response) -> str:
    """Return the type of a problem; nothing for another response, and for one without a body, to HEAD."""
    return str(answer.json()["type"]) if answer.content and is_problem(answer) else ""


def _types_in(response: dict[str, Any]) -> set[str]:
    media = response.get("content", {}).get("application/problem+json", {})
    values = [media.get("example"), *(one.get("value") for one in media.get("examples", {}).values())]
    return {value["type"] for value in values if value}


def finds_by_indexes(operation: Operation, traffic: Traffic, database: MongoDatabase) -> Iterator[str]:
    """Check that no command reads a whole collection, also through an index, unless a `data_check` sends it."""
    for command, plan in _plans(operation, traffic, database) if operation.method != READS_ALL else ():
        if "COLLSCAN" in dict(steps(list(plans(plan)))):
            found = _filter(command)
            yield f"reads all of {_collection(command)} " + (
                f"to find by {_fields(found)}: declare an index that begins with these fields"
                if found
                else "without a filter: find by a field with an index, or in the order of one with a limit; "
                "estimated_document_count() counts all"
            )

        elif _reads_whole_index(plan):
            yield (
                f"reads {_collection(command)} through a whole index to find by {_fields(_filter(command))}: "
                "declare an index that begins with these fields, and then has those of the order"
            )


def _reads_whole_index(plan: Any) -> bool:
    # MongoDB may prefer this for a few documents, even if an index begins with a field of the filter.
    choices = _choices(plan)
    return bool(choices) and all(map(filters_whole_index, choices))


def sorts_by_indexes(operation: Operation, traffic: Traffic, database: MongoDatabase) -> Iterator[str]:
    """Check that no command sorts in memory what an index could have in order."""
    for command, plan in _plans(operation, traffic, database):
        # MongoDB may prefer to sort a few documents, even if an index has them in order.
        choices = _choices(plan)
        if choices and all("SORT" in dict(steps(one)) for one in choices):
            yield (
                f"sorts {_collection(command)} by {_fields(_sort(command))} in memory: "
                "declare an index of these fields in this order"
            )


def _choices(plan: Any) -> list[Any]:
    """Return the ways to carry out a command that MongoDB has considered."""
    return [one for found in plans(plan, "rejectedPlans") for one in (found if isinstance(found, list) else [found])]


def sends_only_queries_and_writes(operation: Operation, traffic: Traffic, _: MongoDatabase) -> Iterator[str]:
    """Check that no command has effects or costs that the other contracts do not know."""
    for name in sorted(traffic.sent.others_of(str(operation))):
        yield f"sends the command {name}: declare indexes in the document's Settings, and move other work to a command"


def _plans(operation: Operation, traffic: Traffic, database: MongoDatabase) -> Iterator[tuple[Command, Command]]:
    """Yield each command of an operation once, with its explanation. Commands that differ in values only are one."""
    statements = {_shape(one): one for route, one in traffic.sent.statements() if route == str(operation)}
    for statement in statements.values():
        if "$changeStream" in str(statement):
            continue  # it reads the log of the replica set
        try:
            yield statement, explained(database, statement)
        except OperationFailure as error:
            raise AssertionError(f"{operation}: {statement} cannot be explained: {error}") from error


def _shape(value: Any) -> str:
    def shape(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: shape(inner) for name, inner in part.items()}
        if isinstance(part, list):
            return sorted({json.dumps(shape(inner)) for inner in part})
        return part if isinstance(part, str) and part.startswith("$") else type(part).__name__

    collection = _collection(value)
    return f"{collection} {json.dumps(shape(value))} {_fields(_sort(value))}"


def _collection(command: Command) -> str:
    return str(next(iter(command.values())))


def _stage(command: Command, name: str) -> dict[str, Any]:
    return next((stage[name] for stage in command.get("pipeline", ()) if name in stage), {})


def _filter(command: Command) -> dict[str, Any]:
    several = command.get("updates") or command.get("deletes")
    found = several[0]["q"] if several else command.get("filter") or command.get("query") or _stage(command, "$match")
    return dict(found)


def _sort(command: Command) -> dict[str, Any]:
    return dict(command.get("sort") or _stage(command, "$sort"))


def _fields(named: dict[str, Any]) -> str:
    return ", ".join(named) or "nothing"


def leaves_the_event_loop_free(operation: Operation, traffic: Traffic, _: MongoDatabase) -> Iterator[str]:
    """Check that nothing holds the event loop for 100 ms: nothing else is served meanwhile."""
    if str(operation) in traffic.held:
        where = traffic.held[str(operation)] or operation.where
        yield f"holds the event loop for 100 ms at {where}: await it, or run it by asyncio.to_thread"


def fills_its_pages(operation: Operation, traffic: Traffic, _: MongoDatabase) -> Iterator[str]:
    """Check that a page with a link to the next one has as many items as the request asked for."""
    for answer in traffic.of_operation(operation):
        limit = answer.request.url.params.get("limit", "")
        if answer.status_code == 200 and "next" in answer.links and limit.isdecimal():
            items = _items(answer.json())
            if len(items) < int(limit):
                yield f"answers {len(items)} items to limit={limit} with a next page: fill the page before it ends"


def _items(body: Any) -> list[Any]:
    if isinstance(body, dict):
        return next((part for part in body.values() if isinstance(part, list)), [])
    return body if isinstance(body, list) else []


CONTRACTS: tuple[Contract, ...] = (
    does_not_fail,
    declares_its_responses,
    finds_by_indexes,
    sorts_by_indexes,
    sends_only_queries_and_writes,
    leaves_the_event_loop_free,
    fills_its_pages,
)
