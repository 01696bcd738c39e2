"""The addresses of statistics, rankings and report cards."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.api import LINK, Listing, header, problem_responses
from core.routing import ProtectedRouter
from modules.analytics import report_cards, service
from modules.analytics.chart import service as picture
from modules.analytics.query import PictureQuery, RankingsQuery, StatisticsQuery
from modules.analytics.ranking_measure import measure_of
from modules.analytics.rankings import Ranking
from modules.analytics.schemas import RankedStudent, ReportCard, StatisticsRead
from modules.students import RollNo, StudentNotFound

router = ProtectedRouter()

UNRANKED = header(
    "Unranked-Count", "How many of the chosen students have no mark to rank them by.", example=202, always=True
)

SVG = "image/svg+xml"

SVG_EXAMPLE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480"><title>Marks</title></svg>'

# The picture holds its own style sheet, and needs nothing else.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"


@router.get("/statistics")
async def statistics(query: Annotated[StatisticsQuery, Query()]) -> StatisticsRead:
    """Describe the marks in each subject: mean, spread, quartiles, pass rate, histogram.

    With `by=branch` also in each branch. All is computed from the current records and exact: each number is rounded
    once, at the end. Quartiles follow the linear method (R's type 7, numpy's default); the standard deviation is that
    of a sample. A subject that is asked for and that nobody has a mark in is there with `n` 0. One answer has at most
    2,000 rows: subjects, or with `by=branch` subjects times branches.
    """
    return await service.statistics(query)


@router.get(
    "/statistics.svg",
    response_class=Response,
    responses={
        200: {"content": {SVG: {"schema": {"type": "string"}, "example": SVG_EXAMPLE}}, "description": "The picture."}
    },
)
async def draw_statistics(query: Annotated[PictureQuery, Query()]) -> Response:
    """Draw the marks in each subject: a histogram, and a box plot of each branch.

    A picture to be opened in a browser or put into a report. It fits into light and dark pages. The first 6 subjects
    and, in each, the 12 branches with the most students are drawn; it names how many are left out.
    """
    drawing = await picture.picture(query)
    return Response(drawing, media_type=SVG, headers={"Content-Security-Policy": PICTURE_POLICY})


@router.get("/rankings", responses={200: {"headers": LINK | UNRANKED}})
async def list_rankings(
    query: Annotated[RankingsQuery, Query()], request: Request, response: Response
) -> list[RankedStudent]:
    """Rank students by total, average or a subject, best first, page by page.

    Equal students share a rank (1, 2, 2, 4) and are in order of roll number. Sums are exact. Students without a mark
    have no rank: `Unranked-Count` tells how many.
    """
    measure = measure_of(query.by)
    listing = Listing(f"rankings {measure.path} {sorted(query.branch)}", measure.order)
    page, ranked, unranked = await Ranking(measure, query.branch).page(listing.window(query))
    listing.link(page, request, response)
    response.headers["Unranked-Count"] = str(unranked)
    return ranked


@router.get("/report-cards/{roll_no}", responses=problem_responses(StudentNotFound))
async def get_report_card(
    roll_no: Annotated[RollNo, Path(description="The student's roll number.")],
) -> ReportCard:
    """Read a student's report card: each mark with rank, percentile, class mean and grade.

    All students with a mark in the subject are the class. The percentile is the percentage of them with a lower mark,
    counting half of those with the same one.
    """
    return await report_cards.get(roll_no)
