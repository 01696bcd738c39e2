"""Calling a route's function without the framework's general machinery, where the route needs none of it.

FastAPI looks at each request anew for what a function could want: forms, cookies, generators, streams. Most routes here
want a few values of the path, the query and the headers, perhaps a body of JSON, and answer with a finished `Response`.
What these are made of is found out once, when the route is declared; the values are validated by FastAPI's own fields,
so that errors are the same. All other routes stay with the framework.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from inspect import iscoroutinefunction, signature
from typing import Any, get_args, get_origin

from fastapi import HTTPException, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Body
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Field = Any
"""A value that a function wants, as FastAPI describes it (`ModelField`, which is not public)."""

_NOTHING = object()
_MISSING = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}


@dataclass
class _Found:
    """What is known of a request so far: its body, what each dependency gave, and what is wrong with it."""

    request: Request
    body: Any
    results: dict[Callable[..., Any], Any] = field(default_factory=dict)
    errors: list[Any] = field(default_factory=list)

    def checked(self, field_: Field, value: Any, *place: str) -> Any:
        """The value, validated."""
        valid, errors = field_.validate(value, {}, loc=place)
        self.errors += errors
        return valid


class _Plan:
    """How the arguments of one function are found in a request; of its dependencies' functions, too."""

    def __init__(self, dependant: Dependant) -> None:
        assert dependant.call
        self.call = dependant.call
        self.name = dependant.name
        self.path = dependant.path_params
        self.header = dependant.header_params
        self.body = dependant.body_params
        self.request = dependant.request_param_name
        self.model, self.query = _model_of(dependant.query_params), dependant.query_params
        self.lists = _lists_of(self.model) if self.model else frozenset()
        self.header_names = [(one.alias.lower().encode(), one.name, one.default) for one in self.header]
        self.before = [_Plan(one) for one in dependant.dependencies]

    async def result(self, found: _Found) -> Any:
        """What the function gives, or nothing of use where the request was wrong."""
        if self.call not in found.results:
            arguments = await self.arguments(found)
            found.results[self.call] = None if found.errors else await self.call(**arguments)
        return found.results[self.call]

    async def arguments(self, found: _Found) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for plan in self.before:
            given = await plan.result(found)
            if plan.name:
                values[plan.name] = given
        for one in self.path:
            values[one.name] = found.checked(one, found.request.path_params[one.alias], "path", one.alias)
        self._add_query(values, found)
        self._add_headers(values, found)
        for one in self.body:
            values[one.name] = found.body if found.body is _NOTHING else found.checked(one, found.body, "body")
        if self.request:
            values[self.request] = found.request
        return values

    def _add_query(self, values: dict[str, Any], found: _Found) -> None:
        if self.model:
            values[self.query[0].name] = found.checked(self.query[0], self._parameters(found.request), "query")
        elif self.query:
            self._add(values, found, self.query, found.request.query_params)

    def _parameters(self, request: Request) -> dict[str, Any]:
        given: dict[str, list[str]] = defaultdict(list)
        if request.scope["query_string"]:
            for name, value in request.query_params.multi_items():
                given[name].append(value)
        return {name: all_ if len(all_) > 1 or name in self.lists else all_[0] for name, all_ in given.items()}

    def _add_headers(self, values: dict[str, Any], found: _Found) -> None:
        if not self.header:
            return
        sent = {name for name, _ in found.request.scope["headers"]}
        if sent.isdisjoint(name for name, _, _ in self.header_names):
            values.update((name, default) for _, name, default in self.header_names)
        else:
            self._add(values, found, self.header, found.request.headers)

    @staticmethod
    def _add(values: dict[str, Any], found: _Found, fields: Sequence[Field], given: Mapping[str, str]) -> None:
        valid, errors = request_params_to_args(fields, given)
        values.update(valid)
        found.errors += errors


def direct_handler(route: APIRoute) -> Handler | None:
    """What handles the requests of a route; None for one that needs the framework."""
    if not (_is_plain(route.dependant) and _answers_itself(route)):
        return None
    plan = _Plan(route.dependant)
    has_body = bool(plan.body)

    async def handle(request: Request) -> Response:
        found = _Found(request, await _read_json(request) if has_body else _NOTHING)
        arguments = await plan.arguments(found)
        if has_body and found.body is _NOTHING:
            found.errors.append(_MISSING)
        if found.errors:
            raise RequestValidationError(found.errors)
        response: Response = await plan.call(**arguments)
        return response

    return handle


def direct_app(handle: Handler) -> ASGIApp:
    """The handler as a route's app; whoever calls it answers errors."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handle(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


def _is_plain(dependant: Dependant) -> bool:
    """Whether a `_Plan` can find all that a function and its dependencies want."""
    others = (
        dependant.cookie_params,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
    )
    required = [one for one in dependant.header_params if one.field_info.is_required()]
    bodies = dependant.body_params
    return (
        not any(others)
        and not required
        and iscoroutinefunction(dependant.call)
        and len(bodies) <= 1
        and all(
            type(one.field_info) is Body and not one.field_info.embed and one.field_info.is_required() for one in bodies
        )
        and all(_is_plain(one) and not one.body_params for one in dependant.dependencies)
    )


def _answers_itself(route: APIRoute) -> bool:
    answer = signature(route.endpoint).return_annotation
    return isinstance(answer, type) and issubclass(answer, Response)


def _model_of(fields: Sequence[Field]) -> type[BaseModel] | None:
    """The class whose fields the query's parameters are, where it is one."""
    if len(fields) != 1:
        return None
    type_ = fields[0].field_info.annotation
    return type_ if isinstance(type_, type) and issubclass(type_, BaseModel) else None


def _lists_of(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(one.alias or name for name, one in model.model_fields.items() if holds_many(one.annotation))


def holds_many(type_: Any) -> bool:
    """Whether a parameter of this type may be given several times."""
    return any(
        get_origin(one) in (list, set, tuple, frozenset) or one in (list, set) for one in (type_, *get_args(type_))
    )


async def _read_json(request: Request) -> Any:
    """The body as JSON, if it says so; else as it is, which no schema takes. Fails as the framework does."""
    body = await request.body()
    if not body or not _says_json(request.headers.get("content-type", "")):
        return body or _NOTHING
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        wrong = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error", "input": {}}
        raise RequestValidationError([wrong | {"ctx": {"error": error.msg}}]) from error
    except Exception as error:
        raise HTTPException(400, "There was an error parsing the body") from error


def _says_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    message = Message()
    message["content-type"] = content_type
    kind, subtype = message.get_content_maintype(), message.get_content_subtype()
    return bool(content_type) and kind == "application" and (subtype == "json" or subtype.endswith("+json"))
