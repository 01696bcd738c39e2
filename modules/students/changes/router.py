"""The address of the feed of changes."""

from typing import Annotated

from fastapi import Query

from core.routing import ProtectedRouter
from modules.students.changes import service
from modules.students.query import ChangesQuery
from modules.students.schemas import ChangesRead

router = ProtectedRouter()


@router.get("/changes")
async def list_changes(query: Annotated[ChangesQuery, Query()]) -> ChangesRead:
    """Follow what changes: students created, changed or deleted since a token was given.

    Each student is there once, as the newest state. Keep a copy by `key`: put what is there, remove what is deleted,
    ask again at once while `more` is true, and later with the last `next`. Nothing is ever skipped, however slow a
    writer is; a student may be told twice.
    """
    return await service.since(query.since, query.limit)
