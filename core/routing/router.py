"""Routers whose routes check a request before the framework reads its body: its user, headers and query."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from copy import copy, deepcopy
from typing import Any, get_args, get_origin

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.convertors import StringConvertor, register_url_convertor

from core.api import ANY_ROUTE, PROTECTED_ROUTE, operation_id, with_problems
from core.errors import FieldError, InvalidRequest, StartupError, UnsupportedMediaType
from core.identity import Role, authorize, current_user
from core.routing.deprecation import Deprecation
from core.routing.idempotency import PARAMETER, PROBLEMS, Handler, carried_out_once
from core.routing.parameter_values import check_values, parsers_of

_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class _Text(StringConvertor):
    """A convertor for the last segment of a path, which matches any text.

    The framework's own `path` convertor does not match a line break, so the client would get a 404 instead of the
    validator's more specific error.
    """

    regex = "(?s:.*)"


register_url_convertor("text", _Text())


_app: ContextVar[FastAPI] = ContextVar("app")


class _Overrides:
    """The `dependency_overrides` of the app that handles the request. Routes are declared once, for any number of
    apps."""

    @property
    def dependency_overrides(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        return _app.get().dependency_overrides


class CheckedRoute(APIRoute):
    """A route that rejects unsupported media types, unknown and repeated query parameters, and values of parameters
    that MongoDB cannot store, and announces its deprecation.

    The framework would silently ignore an unknown parameter, and use the last value of one that takes one value.
    """

    deprecation_headers: Sequence[tuple[bytes, bytes]] = ()
    """Headers of every response of the route, errors included; `RequestContextMiddleware` adds them."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        deprecated: Deprecation | None = None,
        openapi_extra: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Raise `TypeError` if the route is declared as deprecated without its dates, and `StartupError` if the
        function lacks a parameter of the path, which may be in the router's prefix."""
        if deprecated is not None:
            if not isinstance(deprecated, Deprecation):
                raise TypeError(f"{path}: write deprecated=deprecation(since=..., sunset=...), with the dates.")
            self.deprecation_headers = deprecated.headers
            openapi_extra = {**(openapi_extra or {}), **deprecated.documentation}
        super().__init__(path, endpoint, deprecated=bool(deprecated), openapi_extra=openapi_extra, **options)
        for name in sorted(self.param_convertors.keys() - dict(_path_parameters(self.dependant))):
            raise StartupError(f"{self.name} lacks the parameter {name} of its path {path}. Declare it as an argument.")

    def get_route_handler(self) -> Handler:
        self.media_types = _media_types(self)
        self.reads_body = self.body_field is not None or "requestBody" in (self.openapi_extra or {})
        parameters = list(_query_parameters(self.dependant))
        self.single_parameters = frozenset(name for name, field in parameters if not holds_many(field.annotation))
        self.known_names = {"query": [name for name, _ in parameters], "body": list(_body_names(self))}
        self.parsers = parsers_of([*parameters, *_path_parameters(self.dependant)])
        self.has_own_policy = any(map(_has_own_policy, _query_models(self.dependant)))
        handle = self.wrapped(super().get_route_handler())

        async def handle_prechecked(request: Request) -> Response:
            _app.set(request.app)
            await self.precheck(request)
            return await handle(request)

        return handle_prechecked

    async def precheck(self, request: Request) -> None:
        """Raise a problem if the request is invalid, as far as this can be determined without its body."""
        if self.reads_body:
            _check_encoding(request)
        _check_media_type(request, self.media_types)
        if request.scope["query_string"]:
            _check_query(request, self.single_parameters)
            if not self.has_own_policy:
                _check_names(request, self.known_names["query"])
        if self.parsers:
            check_values([*request.path_params.items(), *request.query_params.multi_items()], self.parsers)

    def wrapped(self, handle: Handler) -> Handler:
        """Return the handler of requests that have passed `precheck`; `handle` is the framework's."""
        return handle


class ProtectedRoute(CheckedRoute):
    """A route that authenticates the user and checks the role before it reads the body.

    Bodies of unauthenticated clients are thus never read. The router's dependency `current_user` verifies the user
    again after the body has been read. A POST with an `Idempotency-Key` is carried out once.
    """

    use_cache = True
    """Whether a cached authentication may be used."""

    keeps_responses = True
    """Whether the responses to requests with an `Idempotency-Key` are stored."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.takes_key:
            extra = self.openapi_extra or {}
            self.openapi_extra = {**extra, "parameters": [*extra.get("parameters", ()), deepcopy(PARAMETER)]}
            self.responses = with_problems(self.responses, *PROBLEMS)

    @property
    def takes_key(self) -> bool:
        """Whether the route accepts an `Idempotency-Key`. A route that reads its body itself does not, as the body may
        be too large for memory."""
        return self.methods == {"POST"} and self.reads_body == bool(self.media_types)

    def wrapped(self, handle: Handler) -> Handler:
        return carried_out_once(handle, keeps_response=self.keeps_responses) if self.takes_key else handle

    def get_route_handler(self) -> Handler:
        self.roles = tuple(_roles(self.dependant))
        return super().get_route_handler()

    async def precheck(self, request: Request) -> None:
        await authorize(request, self.roles, use_cache=self.use_cache)
        await super().precheck(request)


class UncachedRoute(ProtectedRoute):
    """A protected route that loads the user from the database on every request, even to read. It keeps no responses,
    because they may contain secrets.

    Operations on accounts use it.
    """

    use_cache = False
    keeps_responses = False


class _FlatRouter(APIRouter):
    """An `APIRouter` that adds the routes of an included router to its own list, unchanged.

    The framework would search a tree of routers for each request.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(dependency_overrides_provider=_Overrides(), **options)

    def include_router(self, router: APIRouter) -> None:  # type: ignore[override]  # the routes need no more options
        """Add the routes of another router."""
        self.routes.extend(router.routes)

    def with_tag(self, tag: str) -> list[APIRoute]:
        """Return copies of the routes with a tag, and with the operation ids that follow from it."""
        return [_with_tag(route, tag) for route in self.routes if isinstance(route, APIRoute)]


class ProtectedRouter(_FlatRouter):
    """A router whose routes all require a signed-in user, and document this in OpenAPI."""

    def __init__(self, *, prefix: str = "", route_class: type[ProtectedRoute] = ProtectedRoute) -> None:
        super().__init__(
            prefix=prefix,
            route_class=route_class,
            dependencies=[Depends(current_user)],
            responses=ANY_ROUTE | PROTECTED_ROUTE,
        )


class PublicRouter(_FlatRouter):
    """A router whose routes anyone may call. They take no `Idempotency-Key`, because there is no account that it would
    belong to."""

    def __init__(self, *, prefix: str = "", route_class: type[CheckedRoute] = CheckedRoute) -> None:
        super().__init__(prefix=prefix, route_class=route_class, responses=ANY_ROUTE)


def _with_tag(route: APIRoute, tag: str) -> APIRoute:
    tagged = copy(route)
    tagged.tags = [tag, *route.tags]
    tagged.unique_id = operation_id(tagged)
    return tagged


def _media_types(route: APIRoute) -> frozenset[str]:
    """Return the supported media types of the body: none if the route has no body, or reads the body itself."""
    if route.body_field is None:
        return frozenset()
    if isinstance(route.body_field.field_info, Form):
        return _FORMS
    others = (route.openapi_extra or {}).get("requestBody", {}).get("content", {})
    return frozenset({"application/json", *others})


def _check_media_type(request: Request, supported: frozenset[str]) -> None:
    given = request.headers.get("content-type")
    if supported and given and given.partition(";")[0].strip().lower() not in supported:
        raise UnsupportedMediaType.of(given, supported)


def _check_encoding(request: Request) -> None:
    """Reject a body with a content encoding, such as compression, and name the supported one in `Accept-Encoding`.

    `identity` means that the body is not encoded (RFC 9110, sections 8.4, 12.5.3 and 15.5.16).
    """
    given = ",".join(request.headers.getlist("content-encoding")).split(",")
    unsupported = [coding for coding in map(str.strip, given) if coding.lower() not in ("", "identity")]
    if unsupported:
        detail = f"The Content-Encoding {unsupported[0][:40]} is not supported. Send the body without an encoding."
        raise UnsupportedMediaType(detail, headers={"Accept-Encoding": "identity"})


def _query_parameters(dependant: Dependant) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the name and the field of each query parameter."""
    for parameter in dependant.query_params:
        info = parameter.field_info
        yield from _fields(info.annotation) or [(_name_of(info, parameter.alias), info)]
    for dependency in dependant.dependencies:
        yield from _query_parameters(dependency)


def _path_parameters(dependant: Dependant) -> Iterator[tuple[str, FieldInfo]]:
    yield from ((parameter.alias, parameter.field_info) for parameter in dependant.path_params)
    for dependency in dependant.dependencies:
        yield from _path_parameters(dependency)


def _query_models(dependant: Dependant) -> Iterator[type[BaseModel]]:
    for parameter in dependant.query_params:
        if model := _model_of(parameter.field_info.annotation):
            yield model
    for dependency in dependant.dependencies:
        yield from _query_models(dependency)


def _has_own_policy(model: type[BaseModel]) -> bool:
    """Return whether a model of query parameters says itself what becomes of unknown ones. If it forbids them, its
    errors for them come together with those for wrong values."""
    return model.model_config.get("extra") in ("allow", "forbid")


def _body_names(route: APIRoute) -> Iterator[str]:
    if route.body_field is not None:
        yield from (name for name, _ in _fields(route.body_field.field_info.annotation))


def _fields(model: Any) -> list[tuple[str, FieldInfo]]:
    """Return the name and the field of each field of a model; nothing for another type."""
    found = _model_of(model)
    return [(_name_of(field, name), field) for name, field in found.model_fields.items()] if found else []


def _model_of(type_: Any) -> type[BaseModel] | None:
    """Return the model that a type is, or that an optional type may be; None for another type."""
    models = (one for one in (type_, *get_args(type_)) if isinstance(one, type) and issubclass(one, BaseModel))
    return next(models, None)


def _name_of(field: FieldInfo, name: str) -> str:
    return field.validation_alias if isinstance(field.validation_alias, str) else field.alias or name


def holds_many(type_: Any) -> bool:
    """Return whether a parameter of this type may be given several times."""
    return any(
        get_origin(one) in (list, set, tuple, frozenset) or one in (list, set) for one in (type_, *get_args(type_))
    )


def _check_query(request: Request, single: frozenset[str]) -> None:
    counts = Counter(name for name, _ in request.query_params.multi_items())
    repeated = [name for name, count in counts.items() if count > 1 and name in single]
    if repeated:
        raise InvalidRequest(
            errors=[
                FieldError(code="repeated", detail="This must be given only once.", parameter=name) for name in repeated
            ]
        )


def _check_names(request: Request, known: Sequence[str]) -> None:
    """Raise the framework's error, with pydantic's type, for each parameter that the route does not declare."""
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestValidationError([{"type": "extra_forbidden", "loc": ("query", name)} for name in unknown])


def _roles(dependant: Dependant) -> Iterator[Role]:
    """Return the roles required by `at_least`, in this dependency and in its own dependencies."""
    yield from map(Role, dependant.own_oauth_scopes or ())
    for dependency in dependant.dependencies:
        yield from _roles(dependency)
