"""A feature module of a few lines, so that core is tested without any real one."""

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
    """Something that can be sent."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=20)]
    marks: dict[Annotated[str, Field(max_length=64)], Annotated[float, Field(le=100)]] = {}


async def authenticate(token: str) -> Principal:
    if token != "valid":
        raise Unauthenticated(error="invalid_token")
    return Principal("stub", Role.ADMIN)


def stub(**declared: Any) -> Module:
    """A module that fills the identity slot, and has what else is `declared`."""
    return Module(**{"name": "stub", "authenticator": authenticate, **declared})


def things() -> Module:
    """A module with routes under `/things`, and one public route that fails in a chosen way."""
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
        """Tell who asks."""
        return user

    @public.get("/failures/{kind}")
    async def fail(kind: str) -> None:
        """Fail."""
        raise FAILURES[kind]

    @public.get("/broken-off")
    async def break_off() -> StreamingResponse:
        """Fail once half of the answer is sent."""

        async def halves() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("hunter2 is inside")

        return StreamingResponse(halves())

    return stub(router=router, public_router=public)


def unopened(*modules: Module, **settings: object) -> TestClient:
    """A client, signed in, of an app that was never started: it has no database."""
    app = create_app(Settings.model_validate(settings), modules or (things(),))
    return TestClient(app, raise_server_exceptions=False, headers=SIGNED_IN)
