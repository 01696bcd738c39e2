"""Tests that routes of our routers behave as FastAPI documents: the same routes are declared on a plain `APIRouter` and
on ours, and the responses are compared."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
)
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel

from core.routing.route_table import install_route_table
from core.routing.router import PublicRouter

Log = list[str]


class Size(BaseModel):
    width: int


class Filters(BaseModel):
    tag: list[str] = []
    limit: int = 10


def original() -> str:
    return "original"


def declare(router: APIRouter, log: Log) -> None:  # noqa: C901  # a list of routes
    """Declare routes that return a `Response` and each use another option that FastAPI documents."""
    numbers = count()

    def number() -> int:
        return next(numbers)

    def doubled(value: Annotated[int, Depends(number, use_cache=False)]) -> int:
        return value * 2

    async def opened() -> AsyncIterator[str]:
        log.append("open")
        yield "resource"
        log.append("close")

    def refused() -> None:
        raise HTTPException(418, "refused by a dependency")

    @router.get("/overridden")
    async def overridden(value: Annotated[str, Depends(original)]) -> Response:
        return JSONResponse(value)

    @router.get("/uncached")
    async def uncached(
        first: Annotated[int, Depends(number, use_cache=False)],
        second: Annotated[int, Depends(number, use_cache=False)],
        third: Annotated[int, Depends(doubled)],
    ) -> Response:
        return JSONResponse([second - first, third // 2 - second])

    @router.get("/cached")
    async def cached(first: Annotated[int, Depends(number)], second: Annotated[int, Depends(number)]) -> Response:
        return JSONResponse(second - first)

    @router.post("/small", max_body_size=10)
    async def small(size: Annotated[Any, Body()]) -> Response:
        return JSONResponse(size)

    @router.post("/background")
    async def background(tasks: BackgroundTasks) -> Response:
        tasks.add_task(log.append, "task")
        return JSONResponse("begun")

    @router.get("/headers")
    async def headers(response: Response) -> dict[str, str]:
        response.headers["X-Made"] = "yes"
        response.status_code = 203
        return {}

    @router.get("/cookie")
    async def cookie(flavour: Annotated[str, Cookie()], accept: Annotated[str, Header()] = "") -> Response:
        return JSONResponse([flavour, accept])

    @router.get("/yield")
    async def yielding(resource: Annotated[str, Depends(opened)]) -> Response:
        log.append("route")
        return JSONResponse(resource)

    @router.get("/refused", dependencies=[Depends(refused)])
    async def unreachable() -> Response:
        raise AssertionError

    @router.post("/body")
    async def body(size: Size, extra: Annotated[int, Body()], request: Request) -> Response:
        return JSONResponse([size.width, extra, request.method])

    @router.post("/embedded")
    async def embedded(size: Annotated[Size, Body(embed=True)]) -> Response:
        return JSONResponse(size.width)

    @router.get("/filters/{number}")
    async def filters(number: int, query: Annotated[Filters, Query()]) -> Response:
        return JSONResponse([number, query.tag, query.limit])

    @router.get("/sync")
    def sync(limit: int = 3) -> Response:
        return JSONResponse(limit)


@pytest.fixture
def log() -> Log:
    return []


@pytest.fixture
def client(log: Log) -> Iterator[TestClient]:
    app = FastAPI()
    plain, ours = APIRouter(prefix="/plain"), PublicRouter(prefix="/ours")
    declare(plain, log)
    declare(ours, log)
    app.include_router(plain)
    for route in ours.with_tag("ours"):
        app.router.routes.append(route)
    install_route_table(app)
    app.dependency_overrides[original] = lambda: "overridden"
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "override of a dependency": ("GET", "/overridden", {}),
    "dependency without a cache": ("GET", "/uncached", {}),
    "dependency with a cache": ("GET", "/cached", {}),
    "body within its size limit": ("POST", "/small", {"json": 1}),
    "body above its size limit": ("POST", "/small", {"json": "x" * 50}),
    "background task": ("POST", "/background", {}),
    "response parameter": ("GET", "/headers", {}),
    "cookie": ("GET", "/cookie", {"headers": {"Cookie": "flavour=oat", "Accept": "a/b"}}),
    "missing cookie": ("GET", "/cookie", {}),
    "dependency that yields": ("GET", "/yield", {}),
    "exception in a dependency": ("GET", "/refused", {}),
    "two bodies": ("POST", "/body", {"json": {"size": {"width": 1}, "extra": 2}}),
    "two bodies, one wrong": ("POST", "/body", {"json": {"size": {"width": "x"}}}),
    "embedded body": ("POST", "/embedded", {"json": {"size": {"width": 1}}}),
    "body that is not JSON": ("POST", "/embedded", {"content": "{", "headers": {"Content-Type": "application/json"}}),
    "no body": ("POST", "/embedded", {}),
    "query as a model": ("GET", "/filters/7?tag=a&tag=b&limit=5", {}),
    "wrong query and path": ("GET", "/filters/x?limit=y", {}),
    "function without async": ("GET", "/sync?limit=4", {}),
    "other method": ("PUT", "/sync", {}),
    "unknown path": ("GET", "/nowhere", {}),
}


@pytest.mark.parametrize(("method", "path", "options"), REQUESTS.values(), ids=REQUESTS.keys())
def test_an_option_has_the_same_effect_as_on_a_plain_router(
    client: TestClient, log: Log, method: str, path: str, options: dict[str, Any]
) -> None:
    answers = []
    for prefix in ("/plain", "/ours"):
        answer = client.request(method, prefix + path, **options)
        answers.append((answer.status_code, answer.text.replace(prefix, ""), answer.headers.get("x-made"), list(log)))
        log.clear()

    plain, ours = answers
    assert ours == plain
    assert plain[0] < 500
