"""Route of the feed of changes."""

from typing import Annotated

from fastapi import Query

from core.api import CursorNotFound, problem_responses
from core.routing import ProtectedRouter
from modules.students.changes import service
from modules.students.query import ChangesQuery
from modules.students.schemas import ChangesRead

router = ProtectedRouter()


@router.get("/changes", responses=problem_responses(CursorNotFound))
async def list_changes(query: Annotated[ChangesQuery, Query()]) -> ChangesRead:
    """List students who were created, changed or deleted since a token was issued.

    A response contains each student once, in the current state. To keep a copy, store students by `key`, and remove
    those that are `deleted`. Send `next` as `since` of the next request: immediately while `more` is true, otherwise
    later. No change is skipped, however long a write takes; the same change can be returned twice.
    """
    return await service.since(query.since, query.limit)
