"""Routes of erasures: the audit, and the state of one."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.api import LINK, CursorNotFound, Listing, PageQuery, problem_responses
from core.database import SortKey, object_id
from core.errors import Forbidden
from core.identity import Role, at_least
from core.routing import ProtectedRouter
from modules.students.erasure import service
from modules.students.erasure.service import ErasureNotFound
from modules.students.listing.sorting import moment
from modules.students.schemas import ERASURE_ID_EXAMPLE, ErasureRead, ErasureStatus

router = ProtectedRouter()

NEWEST_FIRST = (
    SortKey("at", descending=True, parse=moment, write=datetime.isoformat),
    SortKey("_id", descending=True, parse=object_id),
)
ERASURES = Listing("erasures", NEWEST_FIRST)


@router.get(
    "/erasures",
    dependencies=[at_least(Role.ADMIN)],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, CursorNotFound)},
)
async def list_erasures(
    query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[ErasureRead]:
    """List the finished erasures of students, newest first.

    Each entry has the time, the user and the client address. It does not identify the student.
    """
    page = await service.list_(ERASURES.window(query))
    ERASURES.link(page, request, response)
    return [ErasureRead.model_validate(one) for one in page.items]


@router.get(
    "/erasures/{erasure_id}",
    dependencies=[at_least(Role.ADMIN)],
    responses=problem_responses(Forbidden, ErasureNotFound),
)
async def get_erasure(
    erasure_id: Annotated[
        str,
        Path(
            max_length=64,
            pattern="^[A-Za-z0-9_-]+$",
            description="The id of the erasure, as in `Location` of the response with status 202.",
            examples=[ERASURE_ID_EXAMPLE],
        ),
    ],
) -> ErasureStatus:
    """Get the state of an erasure.

    Ask for it when a deletion with `purge=true` was answered with 202. The service continues the erasure by itself.
    """
    return ErasureStatus.of(await service.get(erasure_id))
