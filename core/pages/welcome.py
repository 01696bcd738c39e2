"""The welcome page at `/`: HTML for browsers, links as JSON for other clients."""

import shlex
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from core.api import header
from core.pages.page import Html, fill, framed, negotiated, root_of, template
from core.routing import PublicRouter
from core.settings import current_settings

router = PublicRouter()


class Welcome(BaseModel):
    """A welcome message, and links to the documentation and the health check."""

    message: str = "Welcome to the Student Management API"
    docs: Annotated[str, Field(examples=["/docs"])]
    redoc: Annotated[str, Field(examples=["/redoc"])]
    openapi: Annotated[str, Field(examples=["/openapi.json"])]
    problems: Annotated[str, Field(examples=["/problems"])]
    health: Annotated[str, Field(examples=["/readyz"])]


_ANSWER: dict[str, Any] = {
    "headers": header("Vary", "Clients that prefer `text/html` get an HTML page.", example="Accept", always=True),
    "content": {"text/html": {"schema": {"type": "string"}, "example": "<!doctype html>…"}},
}


@router.get("/", response_model=Welcome, responses={200: _ANSWER})
async def welcome(request: Request) -> Response:
    """Get the welcome page.

    Browsers get an HTML page; other clients get links to the documentation and the health check as JSON.
    """
    root = root_of(request)
    if current_settings().docs == "off":
        return JSONResponse({"message": Welcome.model_fields["message"].default, "health": f"{root}/readyz"})
    greeting = Welcome(
        docs=f"{root}/docs",
        redoc=f"{root}/redoc",
        openapi=f"{root}/openapi.json",
        problems=f"{root}/problems",
        health=f"{root}/readyz",
    )
    return negotiated(request, greeting, lambda: _page(request))


def _page(request: Request) -> Html:
    # The base URL contains the client's Host header: it is quoted, so that it cannot inject a shell command.
    base = shlex.quote(str(request.base_url).rstrip("/"))
    return framed(request, "Welcome", fill(template("welcome"), root=root_of(request), base=base))
