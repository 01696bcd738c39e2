"""Tests of the private parts of libraries that ADR 12 lists. The name of a failed test says which part has changed."""

import asyncio
from datetime import datetime, time
from inspect import getsource, signature
from typing import Annotated

from beanie import Indexed
from beanie.odm.utils.dump import get_dict
from beanie.odm.utils.encoder import Encoder
from beanie.odm.utils.typing import get_index_attributes
from fastapi import APIRouter, FastAPI, Security
from fastapi.testclient import TestClient
from pydantic import BaseModel
from pymongo import MongoClient
from uvicorn import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from uvicorn.supervisors import multiprocess

from core.api.validation_messages import plain


def test_fastapi_describes_the_parameters_and_scopes_of_a_route_as_a_dependant() -> None:
    router = APIRouter()

    def needs_a_scope() -> None:
        """Depend on a scope."""

    @router.get("/", dependencies=[Security(needs_a_scope, scopes=["admin"])])
    def read(limit: int) -> None: ...

    (route,) = router.routes
    dependant = route.dependant  # type: ignore[attr-defined]
    assert [parameter.alias for parameter in dependant.query_params] == ["limit"]
    assert [list(one.own_oauth_scopes or ()) for one in dependant.dependencies] == [["admin"]]
    assert route.body_field is None  # type: ignore[attr-defined]


def test_fastapi_calls_its_router_through_middleware_stack() -> None:
    app = FastAPI()
    scopes = []

    async def record(scope, receive, send):  # type: ignore[no-untyped-def]  # an ASGI app
        scopes.append(scope)
        await search(scope, receive, send)

    search = app.router.middleware_stack
    app.router.middleware_stack = record
    assert TestClient(app).get("/nowhere").status_code == 404
    (scope,) = scopes
    assert scope.get("fastapi.telemetry") is None


def test_beanie_tells_which_fields_are_indexed() -> None:
    class Shelf(BaseModel):
        place: Annotated[str, Indexed(unique=True)]
        colour: str

    attributes = [get_index_attributes(field) for field in Shelf.model_fields.values()]
    assert attributes == [(1, {"unique": True}), None]


def test_beanie_encodes_values_as_insert_does() -> None:
    # `get_dict` is compared with a real insert in tests/core/test_storable_types.py.
    assert list(signature(get_dict).parameters) == ["document", "to_db", "exclude", "keep_nulls"]
    day = datetime(2026, 11, 22)  # noqa: DTZ001 (Beanie's)
    assert Encoder(custom_encoders={time: str}).encode({"a": [day.date(), time(9)]}) == {"a": [day, "09:00:00"]}


def test_pymongo_keeps_its_servers_in_its_topology(mongodb: MongoClient[dict[str, object]]) -> None:
    mongodb.admin.command("ping")
    pools = [server.pool for server in mongodb._topology._servers.values()]
    assert pools
    assert all(pool.active_sockets >= 0 and pool.operation_count >= 0 and len(pool.conns) >= 0 for pool in pools)


def test_uvicorn_has_the_parts_of_its_protocol_that_our_protocol_uses() -> None:
    async def make() -> HttpToolsProtocol:
        config = Config(FastAPI(), http="httptools", log_config=None)
        config.load()
        return HttpToolsProtocol(config, ServerState(), {})

    protocol = asyncio.run(make())
    for name in ("connections", "headers", "loop", "parser", "pipeline", "server_state", "timeout_keep_alive"):
        assert hasattr(protocol, name), name
    for name in ("_should_upgrade_to_ws", "_start_asgi_task", "on_response_complete", "pause_writing", "shutdown"):
        assert callable(getattr(protocol, name, None)), name
    for name in ("keep_alive", "response_complete", "response_started"):
        assert f"self.{name} " in _source_of(RequestResponseCycle.__init__), name


def _source_of(function: object) -> str:
    return getsource(function)  # type: ignore[arg-type]


def test_uvicorn_creates_its_workers_with_the_class_in_its_module() -> None:
    assert "child_conn" in _source_of(multiprocess.Process.__init__)
    assert "Process(" in _source_of(multiprocess.Multiprocess)


def test_uvicorn_starts_an_app_with_a_method_of_an_object_that_has_the_configuration() -> None:
    receive = LifespanOn(Config(FastAPI(), log_config=None)).receive
    assert isinstance(receive.__self__.config, Config)  # type: ignore[attr-defined]
    assert "loaded_app" in _source_of(Config.load)


def test_fastapi_refuses_an_unreadable_body_with_a_message_that_we_translate() -> None:
    app = FastAPI()

    @app.post("/")
    def read(body: dict[str, int]) -> None: ...

    answer = TestClient(app).post("/", content=b"\xff{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert plain(detail) != detail
