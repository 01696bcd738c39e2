"""The addresses of what happens to all students: the feed of changes, and the audit of erasures."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request, Response

from core.api.documented_responses import problem_responses
from core.api.pagination import LINK, Listing, PageQuery
from core.database.keyset import SortKey, object_id
from core.errors import Forbidden
from core.identity import Role, at_least
from core.routing.router import ProtectedRouter
from modules.students import changes, erasure
from modules.students.order import moment
from modules.students.query import ChangesQuery
from modules.students.schemas import ChangesRead, ErasureRead

router = ProtectedRouter()

NEWEST_FIRST = (
    SortKey("at", descending=True, parse=moment, write=datetime.isoformat),
    SortKey("_id", descending=True, parse=object_id),
)
ERASURES = Listing("erasures", NEWEST_FIRST)


@router.get("/changes")
async def list_changes(query: Annotated[ChangesQuery, Query()]) -> ChangesRead:
    """Follow what changes: students created, changed or deleted since a token was given.

    Each student is there once, as the newest state. Keep a copy by `key`: put what is there, remove what is deleted,
    ask again at once while `more` is true, and later with the last `next`. Nothing is ever skipped, however slow a
    writer is; a student may be told twice.
    """
    return await changes.since(query.since, query.limit)


@router.get(
    "/erasures",
    dependencies=[at_least(Role.ADMIN)],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden)},
)
async def list_erasures(
    query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[ErasureRead]:
    """List when students were erased and by whom, newest first."""
    page = await erasure.list_(ERASURES.window(query))
    ERASURES.link(page, request, response)
    return [ErasureRead.model_validate(one) for one in page.items]
