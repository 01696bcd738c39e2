# with job
"""The jobs of lost items."""

import logging

from core.database import collection
from core.module import Every
from modules.lost_items.models import LostItem

log = logging.getLogger(__name__)


async def log_the_count() -> None:
    """Log how many lost items there are."""
    count = await collection(LostItem).estimated_document_count()
    log.info("Lost items: %d", count)


jobs = (Every(3600, log_the_count, once_per_service=True),)
