"""The routes of the plans of imports."""

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from core.api import LINK, CursorNotFound, Listing, PageQuery, problem_responses
from core.errors import Forbidden
from core.identity import CurrentUser
from core.routing import ProtectedRouter
from modules.transfers.imports import service
from modules.transfers.imports.router import WRITER, IdInPath
from modules.transfers.imports.service import ImportNotFound
from modules.transfers.plans import pages, plan_csv
from modules.transfers.plans.schemas import PlanEntry, PlannedOutcome
from modules.transfers.responses import PLAN
from modules.transfers.streams import Stream, TooManyStreams, download, while_permitted

router = ProtectedRouter()


class PlanQuery(PageQuery):
    """The page of a plan, and the outcome of its rows."""

    outcome: Annotated[PlannedOutcome | None, Query(description="Only rows with this outcome.")] = None


@router.get(
    "/imports/{import_id}/plan",
    dependencies=[WRITER],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, ImportNotFound, CursorNotFound)},
)
async def list_plan(
    import_id: IdInPath, query: Annotated[PlanQuery, Query()], request: Request, response: Response
) -> list[PlanEntry]:
    """List what each valid row of an import does, or would do in a dry run.

    The rows that change a student's name come first, then the others in the order of the file. Failed rows are not
    listed: `errors.csv` has them. The list of an import that is rejected has what its valid rows would have done.
    """
    job = await service.get(import_id)
    plan = Listing(f"plan of {job.id}, {query.outcome}", pages.ORDER)
    page = await pages.list_(job, query.outcome, plan.window(query))
    plan.link(page, request, response)
    return [PlanEntry.of(entry) for entry in page.items]


@router.get(
    "/imports/{import_id}/plan.csv",
    response_class=StreamingResponse,
    dependencies=[WRITER],
    responses={**PLAN, **problem_responses(Forbidden, ImportNotFound, TooManyStreams)},
)
async def get_plan_csv(user: CurrentUser, import_id: IdInPath, request: Request) -> Stream:
    """Download what each valid row of an import does, or would do in a dry run.

    The file has one line for each changed field, with its old and its new value, and one for each student that is
    created or left unchanged. The order is that of `plan`. A cell that a spreadsheet would run as a formula is prefixed
    with `'`.
    """
    job = await service.get(import_id)
    pieces = while_permitted(request, plan_csv.as_csv(job))
    return Stream(user.username, pieces, media_type="text/csv; charset=utf-8", headers=download("plan.csv"))
