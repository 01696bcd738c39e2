"""Cross-origin requests (CORS): which other origins may call the API from a browser. By default, none may."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Response
from starlette.datastructures import Headers
from starlette.middleware.cors import ALL_METHODS, CORSMiddleware

from core.api import ProblemResponse
from core.errors import BadRequest
from core.middleware.client_address import current_request
from core.settings import Settings


class CrossOrigin(CORSMiddleware):
    """Starlette's CORS middleware, with problem documents for rejected preflight requests instead of plain text."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        detail = "This cross-origin request is not allowed. The setting CORS_ORIGINS lists the allowed origins."
        return ProblemResponse(BadRequest(detail, headers=kept), current_request().request_id)


def install_cors(app: FastAPI, settings: Settings) -> None:
    """Allow the origins in `CORS_ORIGINS` to call the API and to read every response header in its OpenAPI document.

    Without such origins, no middleware is added.
    """
    if not settings.cors_origins:
        return
    app.add_middleware(
        CrossOrigin,
        allow_origins=settings.cors_origins,
        allow_credentials=settings.cors_credentials,
        allow_methods=ALL_METHODS,
        allow_headers=["*"],  # the middleware responds with exactly the requested header names
        expose_headers=sorted(_documented_headers(app.openapi())),
    )


def _documented_headers(document: dict[str, Any]) -> set[str]:
    return {name for response in _responses(document) for name in response.get("headers", ())}


def _responses(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document.get("components", {}).get("responses", {}).values()
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                yield from operation.get("responses", {}).values()
