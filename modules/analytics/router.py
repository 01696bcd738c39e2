"""Routes of statistics, rankings and report cards."""

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
    "Unranked-Count",
    "The number of selected students without a rank because they have no mark.",
    example=202,
    always=True,
)

SVG = "image/svg+xml"

SVG_EXAMPLE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480"><title>Marks</title></svg>'

# The chart contains its own style sheet and needs no other resources.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"


@router.get("/statistics")
async def statistics(query: Annotated[StatisticsQuery, Query()]) -> StatisticsRead:
    """Retrieve the statistics of each subject: mean, standard deviation, quartiles, pass rate and histogram.

    With `by=branch`, the response also contains the statistics of each branch. All figures are computed exactly from
    the current records, and rounded once at the end. Quartiles use the linear method (R's type 7, numpy's default); the
    standard deviation is that of a sample. A requested subject without marks is returned with `n` 0. A response has at
    most 2,000 rows: the number of subjects, or with `by=branch` the number of subjects times the number of branches.
    """
    return await service.statistics(query)


@router.get(
    "/statistics.svg",
    response_class=Response,
    responses={
        200: {"content": {SVG: {"schema": {"type": "string"}, "example": SVG_EXAMPLE}}, "description": "The chart."}
    },
)
async def draw_statistics(query: Annotated[PictureQuery, Query()]) -> Response:
    """Draw a chart of each subject: a histogram, and a box plot of each branch.

    The SVG chart can be opened in a browser or embedded in a report, and supports light and dark colour schemes. It
    shows the first 6 subjects and, for each, the 12 branches with the most students, and states how many it leaves out.
    """
    drawing = await picture.picture(query)
    return Response(drawing, media_type=SVG, headers={"Content-Security-Policy": PICTURE_POLICY})


@router.get("/rankings", responses={200: {"headers": LINK | UNRANKED}})
async def list_rankings(
    query: Annotated[RankingsQuery, Query()], request: Request, response: Response
) -> list[RankedStudent]:
    """Rank students by total, average or subject, best first.

    Students with equal values share a rank (1, 2, 2, 4) and are sorted by roll number. Sums are exact. Students without
    a mark have no rank; `Unranked-Count` returns their number.
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
    """Retrieve a student's report card: each mark with rank, percentile, class mean and grade.

    The class consists of all students with a mark in the subject. The percentile is the percentage of them with a lower
    mark, plus half of those with the same mark.
    """
    return await report_cards.get(roll_no)
