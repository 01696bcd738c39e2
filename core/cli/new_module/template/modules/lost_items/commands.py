# with command
"""The terminal commands of lost items."""

import argparse

from core.command import Command
from core.database import collection
from modules.lost_items.models import LostItem


async def _count(_: argparse.Namespace) -> str:
    count = await collection(LostItem).estimated_document_count()
    return f"Lost items: {count}"


commands = (
    Command(
        name="count-lost-items",
        help="count the lost items",
        add_arguments=lambda _: None,
        run=_count,
    ),
)
