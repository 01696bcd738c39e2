"""The routes for lost items."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.api import (
    ETAG,
    LINK,
    NOT_MODIFIED,
    Code,
    CursorNotFound,
    Expected,
    IfNoneMatch,
    Listing,
    PageQuery,
    location,
    not_modified,
    problem_responses,
    url_path,
)
from core.database import SortKey
from core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from core.identity import Role, at_least
from core.routing import ProtectedRouter
from modules.lost_items import service
from modules.lost_items.models import LostItem
from modules.lost_items.schemas import (
    LostItemCreate,
    LostItemRead,
    LostItemReplace,
)
from modules.lost_items.service import (
    LostItemCodeTaken,
    LostItemNotFound,
)

router = ProtectedRouter()

WRITER = at_least(Role.TEACHER)
BY_CODE = Listing("lost_items", (SortKey("code"),))
CONDITIONAL = (
    Forbidden,
    LostItemNotFound,
    PreconditionFailed,
    PreconditionRequired,
)

CodeInPath = Annotated[Code, Path(description="The code of the lost item.")]


@router.post(
    "/lost-items",
    status_code=201,
    dependencies=[WRITER],
    responses={
        201: {"headers": location("/lost-items/A1") | ETAG},
        **problem_responses(Forbidden, LostItemCodeTaken),
    },
)
async def create(
    data: LostItemCreate,
    request: Request,
    response: Response,
) -> LostItemRead:
    """Create a lost item."""
    record = await service.create(data)
    response.headers["Location"] = url_path(request, "lost-items", record.code)
    return _read(record, response)


@router.get("/lost-items", responses={200: {"headers": LINK}, **problem_responses(CursorNotFound)})
async def list_(
    query: Annotated[PageQuery, Query()],
    request: Request,
    response: Response,
) -> list[LostItemRead]:
    """List lost items in pages, sorted by code."""
    page = await service.list_(BY_CODE.window(query))
    BY_CODE.link(page, request, response)
    return [LostItemRead.model_validate(record) for record in page.items]


@router.get(
    "/lost-items/{code}",
    response_model=LostItemRead,
    responses={
        200: {"headers": ETAG},
        **NOT_MODIFIED,
        **problem_responses(LostItemNotFound),
    },
)
async def get(
    code: CodeInPath,
    known: IfNoneMatch,
    response: Response,
) -> LostItemRead | Response:
    """Read a lost item."""
    record = await service.get(code)
    return not_modified(record.etag, known) or _read(record, response)


@router.put(
    "/lost-items/{code}",
    dependencies=[WRITER],
    responses={200: {"headers": ETAG}, **problem_responses(*CONDITIONAL)},
)
async def replace(
    code: CodeInPath,
    data: LostItemReplace,
    expects: Expected,
    response: Response,
) -> LostItemRead:
    """Replace a lost item."""
    return _read(await service.replace(code, data, expects), response)


@router.delete(
    "/lost-items/{code}",
    status_code=204,
    response_class=Response,
    dependencies=[WRITER],
    responses=problem_responses(*CONDITIONAL),
)
async def delete(code: CodeInPath, expects: Expected) -> None:
    """Delete a lost item."""
    await service.delete(code, expects)


def _read(record: LostItem, response: Response) -> LostItemRead:
    response.headers["ETag"] = record.etag
    return LostItemRead.model_validate(record)
