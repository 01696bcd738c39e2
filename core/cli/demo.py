"""`python -m core demo`: fills an empty database with a made-up school, so that every sample call has something to
show."""

import argparse
from collections.abc import Sequence
from functools import partial

from core.command import Command, CommandError
from core.database import Database, collection_name
from core.module import Demo, Module, in_order
from core.operations import open_service
from core.settings import current_settings


async def _demo(modules: Sequence[Module], _: argparse.Namespace) -> str:
    settings = current_settings()
    if settings.environment == "production":
        raise CommandError("ENVIRONMENT is production, where made-up records have no place. Nothing was written.")
    demos = [module.demo for module in in_order(modules) if module.demo]
    async with open_service(settings, modules) as database:
        await _refuse_records(database, demos)
        return "\n".join([await demo.fill() for demo in demos])


async def _refuse_records(database: Database, demos: Sequence[Demo]) -> None:
    """Raise `CommandError` if the database has records of any module, before the first module stores its own."""
    for collection in [collection_name(document) for demo in demos for document in demo.documents]:
        if await database.has_documents(collection):
            raise CommandError(
                f"The database is not empty: it has documents in the collection {collection}. Nothing was written. Set "
                "MONGODB_DATABASE to another name."
            )


def demo(modules: Sequence[Module]) -> Command:
    """Return the command that fills an empty database with the made-up records of these modules."""
    return Command(
        name="demo",
        help="fill an empty database with a made-up school and three accounts",
        add_arguments=lambda _: None,
        run=partial(_demo, modules),
        database=False,
    )
