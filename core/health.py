"""The service's own addresses: a greeting, and its health. Included like a module's."""

from fastapi import Request
from pydantic import BaseModel
from pymongo.errors import PyMongoError

from core.errors import Unavailable
from core.module import Module
from core.routing import PublicRouter

router = PublicRouter()

service = Module(name="service", description="The service itself: is it there, is it well?", public_router=router)


class Welcome(BaseModel):
    """The service's greeting."""

    message: str = "Welcome to the Student Management API"


class Health(BaseModel):
    """The state of the service."""

    status: str = "ok"


@router.get("/")
async def welcome() -> Welcome:
    """Greet the caller."""
    return Welcome()


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
