"""The route of exports."""

from typing import Annotated, Literal

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from core.api import problem_responses
from core.clock import utc_now
from core.identity import CurrentUser
from core.routing import ProtectedRouter
from modules.students import Selection
from modules.transfers.downloads.query import CSV, NDJSON, XLSX, StyleQuery, accepted
from modules.transfers.exports import service as exports
from modules.transfers.responses import EXPORT
from modules.transfers.streams import Stream, TooManyStreams, file_stream

router = ProtectedRouter()


class ExportQuery(Selection, StyleQuery):
    """The filters, the order and the format of an export."""

    format: Annotated[
        Literal["csv", "ndjson", "xlsx"] | None, Query(description="The file format. Takes precedence over `Accept`.")
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
    """Export students as CSV, XLSX or NDJSON, filtered and sorted like the list.

    A table has one column per subject. A CSV file can be imported unchanged: a cell that a spreadsheet would run as a
    formula is prefixed with `'`, which an import removes. In an XLSX file, roll numbers and names are text cells and
    marks are numbers; it has up to 1,048,575 students and 16,381 subjects.
    """
    format_ = query.format or accepted(accept, NDJSON, XLSX, CSV) or CSV
    pieces = await exports.file(query, exports.read(query), format_, query.style)
    return file_stream(request, user.username, f"students-{utc_now():%Y-%m-%d}", format_, pieces)
