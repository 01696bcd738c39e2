"""Cross-origin requests: which pages of other origins may call the API from a browser. None may, by default."""

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
    """Starlette's middleware, which would refuse a preflight request in plain text."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        detail = "A page of this origin may not send this request: see CORS_ORIGINS in the service's settings."
        return ProblemResponse(BadRequest(detail, headers=kept), current_request().request_id)


def install_cors(app: FastAPI, settings: Settings) -> None:
    """Let pages of the origins in `CORS_ORIGINS` call the API, and read each header that its document names. Costs
    nothing where there are none."""
    if not settings.cors_origins:
        return
    app.add_middleware(
        CrossOrigin,
        allow_origins=settings.cors_origins,
        allow_credentials=settings.cors_credentials,
        allow_methods=ALL_METHODS,
        allow_headers=["*"],  # which the middleware answers with the very names that were asked for
        expose_headers=sorted(_documented_headers(app.openapi())),
    )


def _documented_headers(document: dict[str, Any]) -> set[str]:
    return {name for answer in _answers(document) for name in answer.get("headers", ())}


def _answers(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document.get("components", {}).get("responses", {}).values()
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                yield from operation.get("responses", {}).values()
