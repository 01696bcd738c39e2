"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from pymongo.errors import PyMongoError

from core.errors import Unavailable
from core.openapi import problem_responses

router = APIRouter(tags=["service"])


class Health(BaseModel):
    """The state of the service."""

    status: str = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process lives.

    Touches nothing, not even the database.
    """
    return Health()


@router.get("/readyz", responses=problem_responses(Unavailable))
async def readyz(request: Request) -> Health:
    """Tell whether requests can be served.

    Asks MongoDB.
    """
    try:
        await request.app.state.database.ping()
    except PyMongoError as error:
        raise Unavailable("The database does not answer.") from error
    return Health()
