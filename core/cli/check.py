"""`python -m core check`: prints the effective settings, and the problems of the settings and the database."""

import argparse
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

from beanie import Document
from pydantic import SecretStr
from pymongo import IndexModel

from core.command import Command, CommandError
from core.database import Database, collection_name, declared_indexes, open_database, operation_timeout
from core.errors import StartupError
from core.migrations import pending, too_old
from core.module import Module
from core.operations import service, tracer_provider_for
from core.server import check_certificate
from core.settings import Settings, current_settings, variables

# The timeout for the search for a module's next inconsistency, which may read all its data.
_DATA_SECONDS = 24 * 3600.0

_REMEDY = "The service creates it when it starts."


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", action="store_true", help="also check all stored data")


async def _check(modules: Sequence[Module], arguments: argparse.Namespace) -> str:
    settings = current_settings()
    print("\n".join(effective(settings)), flush=True)
    for warning in settings.warnings() if settings.environment != "production" else ():
        print(f"Note for production: {warning}", flush=True)
    count = 0
    async for finding in findings(settings, modules, data=arguments.data):
        count += 1
        print(f"Problem: {finding}", flush=True)
    if count:
        raise CommandError("Found 1 problem." if count == 1 else f"Found {count} problems.")
    return "No problems found."


def check(modules: Sequence[Module]) -> Command:
    """Return the command that checks the settings and the stored data of these modules."""
    return Command(
        name="check",
        help="print the settings, and the problems of the settings and the database",
        add_arguments=_arguments,
        run=partial(_check, modules),
        database=False,
    )


def effective(settings: Settings) -> Iterator[str]:
    """Yield each setting as a line of `.env`, with secrets masked, and in production the warnings about them."""
    for part in settings.parts:
        for variable, field in variables(type(part)).items():
            yield f"{variable}={_shown(getattr(part, field))}"
    if settings.environment == "production":
        yield from (f"Warning: {warning}" for warning in settings.warnings())


def _shown(value: Any, separator: str = ",") -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case tuple():
            return separator.join(_shown(item, ":") for item in value)
        case SecretStr():
            return "**********"
        case _:
            return str(value)


async def findings(settings: Settings, modules: Sequence[Module], *, data: bool) -> AsyncIterator[str]:
    """Yield a sentence for each problem that prevents the service from starting, and for each problem of the database.
    Write nothing to the database. `data` is whether to check all stored data."""
    for check_settings in (check_certificate, tracer_provider_for):
        try:
            check_settings(settings)
        except StartupError as error:
            yield str(error)
    try:
        async with open_database(settings) as database:
            print(f"Using {database.description}; the database is {settings.mongodb_database}", flush=True)
            if due := await pending(database, modules):
                yield str(too_old(due))
                return  # the other checks expect a migrated database
            for document in [document for part in (*modules, service) for document in part.documents]:
                async for finding in _of_indexes(database, document):
                    yield finding
            for module in modules if data else ():
                async for finding in _of_data(module):
                    yield f"{module.name}: {finding}"
    except StartupError as error:
        yield str(error)


async def _of_indexes(database: Database, document: type[Document]) -> AsyncIterator[str]:
    """Yield the differences between a collection's indexes and those that its document declares.

    Skip a collection that does not exist yet, because the service creates its indexes. Only print a note for an
    undeclared index, which an operator may have added.
    """
    await database.bind([document], make_indexes=False)
    collection = collection_name(document)
    found = await database.indexes(collection)
    declared = {index.document["name"]: index for index in declared_indexes(document)}
    for name, index in declared.items() if found else ():
        if name not in found:
            others = [other for other in found.keys() - declared.keys() if _is_same(index, found[other])]
            first = f"Drop the same index with another name, {others[0]}. " if others else ""
            yield f"The collection {collection} lacks the index {name}. {first}{_REMEDY}"
        elif not _is_same(index, found[name]):
            yield f"The index {name} of the collection {collection} differs from its declaration. Drop it. {_REMEDY}"
    for name in found.keys() - declared.keys() - {"_id_"}:
        print(f"Note: the collection {collection} has an undeclared index: {name}", flush=True)


def _is_same(declared: IndexModel, found: dict[str, Any]) -> bool:
    """Return whether an index matches its declaration, comparing the options that the server reports unchanged."""
    wanted = dict(declared.document)
    options = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression")
    return list(wanted["key"].items()) == list(found["key"]) and all(
        wanted.get(option) == found.get(option) for option in options
    )


async def _of_data(module: Module) -> AsyncIterator[str]:
    searches = [module.data_check()] if module.data_check else []
    for search in [*searches, *(reference.data_check() for reference in module.references)]:
        while True:
            with operation_timeout(_DATA_SECONDS):  # not across the `yield`: the timeout is a context variable
                finding = await anext(search, None)
            if finding is None:
                break
            yield finding
