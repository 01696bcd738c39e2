"""The service's own addresses: its greeting, and its health. Included like a module's."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from pymongo.errors import PyMongoError

from core.errors import Unavailable
from core.module import Module
from core.pages.welcome import router as welcome_router

router = APIRouter()
router.include_router(welcome_router)

service = Module(name="service", description="The service itself: is it there, is it well?", public_router=router)


class Health(BaseModel):
    """The state of the service."""

    status: str = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process lives.

    Touches nothing, not even the database.
    """
    return Health()


@router.get("/readyz")
async def readyz(request: Request) -> Health:
    """Tell whether requests can be served.

    Asks MongoDB.
    """
    try:
        await request.app.state.database.ping()
    except PyMongoError as error:
        raise Unavailable("The database does not answer.") from error
    return Health()
