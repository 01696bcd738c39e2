"""A minimal feature module, so that core can be tested without real ones."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from core.api.pagination import PageQuery
from core.app import create_app
from core.errors import Unauthenticated
from core.identity import CurrentUser, Principal, Role
from core.module import Module
from core.routing.router import ProtectedRouter, PublicRouter
from core.settings import Settings

SIGNED_IN = {"Authorization": "Bearer valid"}
JSON = {"Content-Type": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}

FAILURES: dict[str, Exception] = {
    "bug": RuntimeError("hunter2 is inside"),
    "away": AutoReconnect("hunter2 is away"),
    "slow": ExecutionTimeout("hunter2 is slow"),
    "unconfirmed": WTimeoutError("hunter2 is slow"),
    "deposed": WriteConcernError("hunter2 is no primary any more", 11602),
    "deposed-in-bulk": BulkWriteError(
        {"writeErrors": [], "writeConcernErrors": [{"code": 11602, "errmsg": "hunter2"}]}
    ),
    "refused-in-bulk": BulkWriteError({"writeErrors": [{"code": 121, "errmsg": "hunter2"}], "writeConcernErrors": []}),
    "refused": OperationFailure("hunter2 is refused"),
    "full": WriteError("hunter2: 28: No space left on device", 8),
    "driver": PyMongoError("hunter2 is strange"),
}


class Thing(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=20)]
    marks: dict[Annotated[str, Field(max_length=64)], Annotated[float, Field(le=100)]] = {}


async def authenticate(token: str) -> Principal:
    if token != "valid":
        raise Unauthenticated(error="invalid_token")
    return Principal("stub", Role.ADMIN)


def stub(**declared: Any) -> Module:
    """Return a module with an authenticator and these other declarations."""
    return Module(**{"name": "stub", "authenticator": authenticate, **declared})


def things() -> Module:
    """Return a module with routes under `/things`, and public routes that fail."""
    router = ProtectedRouter()
    public = PublicRouter()

    @router.get("/things")
    async def list_(page: Annotated[PageQuery, Query()]) -> list[Thing]:
        """List things."""
        return []

    @router.post("/things")
    async def create(thing: Thing) -> Thing:
        """Create a thing."""
        return thing

    @router.put("/things/{name}")
    async def replace(name: str, user: CurrentUser) -> Principal:
        """Return the current user."""
        return user

    @public.get("/failures/{kind}")
    async def fail(kind: str) -> None:
        """Raise the exception of this kind."""
        raise FAILURES[kind]

    @public.get("/broken-off")
    async def break_off() -> StreamingResponse:
        """Fail after half of the response is sent."""

        async def halves() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("hunter2 is inside")

        return StreamingResponse(halves())

    return stub(router=router, public_router=public)


def unstarted_client(*modules: Module, **settings: object) -> TestClient:
    """Return a signed-in client of an app that is not started and has no database."""
    app = create_app(Settings.model_validate(settings), modules or (things(),))
    return TestClient(app, raise_server_exceptions=False, headers=SIGNED_IN)
