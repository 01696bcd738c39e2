"""Routes of statistics, rankings and report cards."""

from typing import Annotated

from fastapi import Header, Path, Query, Request, Response

from core.api import LINK, CursorNotFound, Listing, header, problem_responses
from core.identity import CurrentUser
from core.routing import ProtectedRouter
from modules.analytics import report_cards, service
from modules.analytics.chart import service as chart_service
from modules.analytics.query import ChartQuery, RankingsQuery, ReportCardQuery, StatisticsQuery
from modules.analytics.ranking_measure import measure_of
from modules.analytics.rankings import Ranking
from modules.analytics.schemas import RankedStudent, ReportCard, StatisticsRead
from modules.analytics.tables import ranking_columns, ranking_table, statistics_table
from modules.students import MarkFigures, RollNo, StudentNotFound, SubjectCatalog
from modules.transfers import TooManyStreams, check_fits, table_content, table_download

router = ProtectedRouter()

UNRANKED = header(
    "Unranked-Count",
    "The number of selected students without a rank because they have no mark.",
    example=202,
    always=True,
)

DISPOSITION = header(
    "Content-Disposition", "The suggested name of a file.", example='attachment; filename="rankings.csv"'
)

RANKING_CSV = "rank,roll_no,name,branch,value\r\n1,S101,Asha Rao,Physics,169.5\r\n"
STATISTICS_CSV = (
    "subject,n,missing,mean,standard_deviation,min,q1,median,q3,max,passed,pass_rate\r\n"
    "math,1703,202,46.365238,13.371528,0.6,37,46,55,90,1178,0.691721\r\n"
)

SVG = "image/svg+xml"

SVG_EXAMPLE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480"><title>Marks</title></svg>'

# The chart contains its own style sheet and needs no other resources.
CHART_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"


Accept = Annotated[str, Header(include_in_schema=False)]


@router.get(
    "/statistics",
    response_model=StatisticsRead,
    responses={
        200: {"content": table_content(STATISTICS_CSV), "headers": DISPOSITION},
        **problem_responses(TooManyStreams),
    },
)
async def statistics(
    user: CurrentUser, query: Annotated[StatisticsQuery, Query()], request: Request, accept: Accept = "*/*"
) -> StatisticsRead | Response:
    """Retrieve the statistics of each subject: mean, standard deviation, quartiles, pass rate and histogram.

    With `by=branch`, the response also contains the statistics of each branch. All figures are computed exactly from
    the current records, and rounded once at the end. Marks in a subject with a maximum of its own are converted to the
    scale from 0 to `MARKS_MAX`, on which `pass_mark` is. Quartiles use the linear method (R's type 7, numpy's default);
    the standard deviation is that of a sample. A requested subject without marks is returned with `n` 0. A response has
    at most 2,000 rows: the number of subjects, or with `by=branch` the number of subjects times the number of branches.
    A CSV or XLSX file has the same rows, with all figures but the histogram.
    """
    found = await service.statistics(query)
    if format_ := query.chosen(accept):
        table = statistics_table(found, by_branch=query.by == "branch")
        return table_download(request, user.username, table, format_, query.style)
    return found


@router.get(
    "/statistics.svg",
    response_class=Response,
    responses={
        200: {"content": {SVG: {"schema": {"type": "string"}, "example": SVG_EXAMPLE}}, "description": "The chart."}
    },
)
async def draw_statistics(query: Annotated[ChartQuery, Query()]) -> Response:
    """Get a chart of each subject: a histogram, and a box plot of each branch.

    The SVG chart can be opened in a browser or embedded in a report, and supports light and dark color schemes. It
    shows the first 6 subjects and, for each, the 12 branches with the most students, and states how many it leaves out.
    """
    drawing = await chart_service.draw_chart(query)
    return Response(drawing, media_type=SVG, headers={"Content-Security-Policy": CHART_POLICY})


@router.get(
    "/rankings",
    response_model=list[RankedStudent],
    responses={
        200: {"content": table_content(RANKING_CSV), "headers": LINK | UNRANKED | DISPOSITION},
        **problem_responses(CursorNotFound, TooManyStreams),
    },
)
async def list_rankings(
    user: CurrentUser,
    query: Annotated[RankingsQuery, Query()],
    request: Request,
    response: Response,
    accept: Accept = "*/*",
) -> list[RankedStudent] | Response:
    """Rank students by total, average or subject, best first.

    Students with equal values share a rank (1, 2, 2, 4) and are sorted by roll number. Sums are exact. An average is
    the mean of the marks' shares of the maxima of their subjects. Subjects with `counts_in_total: false` are in neither
    total nor average. Both follow a changed subject within half a minute. Students without a mark have no rank;
    `Unranked-Count` returns their number. A CSV or XLSX file has the whole ranking; `limit` and `cursor` do not apply
    to it.
    """
    figures = MarkFigures(await SubjectCatalog.read())
    measure = measure_of(query.by)
    ranking = Ranking(measure, query.branch, figures)
    if format_ := query.chosen(accept):
        return await _ranking_file(ranking, format_, query, request, user.username)
    listing = Listing(f"rankings {measure.path} {sorted(query.branch)}", measure.order)
    page, ranked, unranked = await ranking.page(listing.window(query))
    listing.link(page, request, response)
    response.headers["Unranked-Count"] = str(unranked)
    return ranked


async def _ranking_file(ranking: Ranking, format_: str, query: RankingsQuery, request: Request, user: str) -> Response:
    """Return the download of a whole ranking. Raise `InvalidRequest` if it is too long for the format."""
    ranked, unranked = await ranking.counts()
    check_fits(format_, columns=len(ranking_columns(ranking)), rows=ranked)
    file = table_download(request, user, ranking_table(ranking), format_, query.style)
    file.headers["Unranked-Count"] = str(unranked)
    return file


@router.get("/report-cards/{roll_no}", responses=problem_responses(StudentNotFound))
async def get_report_card(
    roll_no: Annotated[RollNo, Path(description="The student's roll number.")],
    query: Annotated[ReportCardQuery, Query()],
) -> ReportCard:
    """Get a student's report card: each mark with rank, percentile, class mean and grade.

    The class consists of all students with a mark in the subject. The percentile is the percentage of them with a lower
    mark, plus half of those with the same mark. With `branch`, `in_branch` has the same figures among the students of
    the student's branch. Grades are earned by the share of the subject's maximum: 8 of 10 is 80 percent. The total is
    the sum of the marks; where subjects have maxima of their own, it is told of how many, and of which subjects.
    """
    return await report_cards.get(roll_no, query.branch)
