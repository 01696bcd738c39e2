"""`python -m core check`: the settings as they are in effect, and in words what is wrong with them and the database."""

import argparse
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

from beanie import Document
from beanie.odm.fields import IndexModelField
from pydantic import SecretStr

from core.command import Command, CommandError
from core.database import Database, collection_name, open_database, operation_timeout
from core.errors import StartupError
from core.migrations import pending, too_old
from core.module import Module
from core.operations import service, traces_asked_for
from core.server import check_certificate
from core.settings import Settings, current_settings, variables

# For each module's check of all its data.
_DATA_SECONDS = 24 * 3600.0

_REMEDY = "The service makes it when it starts."


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", action="store_true", help="also read all that is stored, and tell what is wrong")


async def _check(modules: Sequence[Module], arguments: argparse.Namespace) -> str:
    settings = current_settings()
    print("\n".join(effective(settings)), flush=True)
    for warning in settings.warnings() if settings.environment != "production" else ():
        print(f"Note, for production: {warning}", flush=True)
    count = 0
    async for finding in findings(settings, modules, data=arguments.data):
        count += 1
        print(f"Wrong: {finding}", flush=True)
    if count:
        raise CommandError("One thing is wrong." if count == 1 else f"{count} things are wrong.")
    return "All is well."


def check(modules: Sequence[Module]) -> Command:
    """The command that looks at what these modules keep."""
    return Command(
        name="check",
        help="print the settings, and tell what is wrong with the database",
        add_arguments=_arguments,
        run=partial(_check, modules),
        database=False,
    )


def effective(settings: Settings) -> Iterator[str]:
    """Every setting as `.env` would have it, a secret as asterisks; and what is doubtful of them in production."""
    for part in settings.parts:
        for variable, field in variables(type(part)).items():
            yield f"{variable}={_shown(getattr(part, field))}"
    if settings.environment == "production":
        yield from (f"Doubtful: {warning}" for warning in settings.warnings())


def _shown(value: Any, between: str = ",") -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case tuple():
            return between.join(_shown(one, ":") for one in value)
        case SecretStr():
            return "**********"
        case _:
            return str(value)


async def findings(settings: Settings, modules: Sequence[Module], *, data: bool) -> AsyncIterator[str]:
    """What keeps the service from starting, and what is wrong with the database, in sentences; writes nothing into it.
    `data` is whether all that is stored is looked at."""
    for needed in (check_certificate, traces_asked_for):
        try:
            needed(settings)
        except StartupError as error:
            yield str(error)
    try:
        async with open_database(settings) as database:
            print(f"Using {database.description}; the database is {settings.mongodb_database}", flush=True)
            if due := await pending(database, modules):
                yield str(too_old(due))
                return  # the rest would be about the shape that it is to get
            for document in [document for part in (*modules, service) for document in part.documents]:
                async for finding in _of_indexes(database, document):
                    yield finding
            for module in modules if data else ():
                async for finding in _of_data(module):
                    yield f"{module.name}: {finding}"
    except StartupError as error:
        yield str(error)


async def _of_indexes(database: Database, document: type[Document]) -> AsyncIterator[str]:
    """How a collection's indexes differ from those that the document declares. One that does not exist yet gets them
    with its first start; one more than declared is told, as it may be an operator's own."""
    await database.bind([document], make_indexes=False)
    collection = collection_name(document)
    found = await database.indexes(collection)
    declared = {field.name: field for field in document.get_settings().indexes or []}
    for name, field in declared.items():
        if found and name not in found:
            yield f"The collection {collection} lacks its index {name}. {_REMEDY}"
        elif found and not _is_same(field, found[name]):
            yield f"The index {name} of {collection} is another than the one declared. Drop it. {_REMEDY}"
    for name in found.keys() - declared.keys() - {"_id_"}:
        print(f"Note: the collection {collection} has an index that nobody declares: {name}", flush=True)


def _is_same(declared: IndexModelField, found: dict[str, Any]) -> bool:
    """Whether an index is as it was declared, as far as the server tells it in the same words."""
    wanted = dict(declared.index.document)
    options = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression")
    return list(wanted["key"].items()) == list(found["key"]) and all(
        wanted.get(option) == found.get(option) for option in options
    )


async def _of_data(module: Module) -> AsyncIterator[str]:
    if module.data_check:
        with operation_timeout(_DATA_SECONDS):
            async for finding in module.data_check():
                yield finding
