"""The route of exports."""

from typing import Annotated, Literal

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from core.api import problem_responses
from core.clock import utc_now
from core.identity import CurrentUser
from core.routing import ProtectedRouter
from modules.students import Selection
from modules.transfers.exports import service as exports
from modules.transfers.responses import EXPORT
from modules.transfers.streams import Stream, TooManyStreams, download, while_permitted

router = ProtectedRouter()


class ExportQuery(Selection):
    """The filters, the order and the format of an export."""

    format: Annotated[
        Literal["csv", "ndjson"] | None, Query(description="The file format. Takes precedence over `Accept`.")
    ] = None


@router.get(
    "/exports/students",
    response_class=StreamingResponse,
    responses={**EXPORT, **problem_responses(TooManyStreams)},
)
async def export(
    user: CurrentUser,
    query: Annotated[ExportQuery, Query()],
    request: Request,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> Stream:
    """Export students as CSV or NDJSON, filtered and sorted like the list.

    A CSV file has one column per subject and can be imported unchanged. A cell that a spreadsheet would run as a
    formula is prefixed with `'`, which an import removes.
    """
    format_ = query.format or ("ndjson" if "ndjson" in accept else "csv")
    name = f"students-{utc_now():%Y-%m-%d}.{format_}"
    as_format, media_type = exports.as_ndjson, "application/x-ndjson"
    if format_ == "csv":
        as_format, media_type = exports.as_csv, "text/csv; charset=utf-8"
    pieces = while_permitted(request, as_format(query))
    return Stream(user.username, pieces, media_type=media_type, headers=download(name))
