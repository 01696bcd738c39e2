"""The greeting at `/`: a page for people, links for programs."""

import shlex

from fastapi import Request, Response
from pydantic import BaseModel

from core.openapi import header
from core.pages.page import Html, fill, framed, negotiated, root_of, template
from core.routing import PublicRouter

router = PublicRouter()


class Welcome(BaseModel):
    """The service's greeting, and where to go from here."""

    message: str = "Welcome to the Student Management API"
    docs: str
    redoc: str
    openapi: str
    problems: str
    health: str


@router.get(
    "/",
    response_model=Welcome,
    responses={
        200: {
            "headers": header("Vary", "`Accept`: who prefers `text/html` gets a page.", example="Accept"),
            "content": {"text/html": {"schema": {"type": "string"}}},
        }
    },
)
async def welcome(request: Request) -> Response:
    """Greet the caller.

    A program is told where to go from here; a person's browser is shown it.
    """
    root = root_of(request)
    greeting = Welcome(
        docs=f"{root}/docs",
        redoc=f"{root}/redoc",
        openapi=f"{root}/openapi.json",
        problems=f"{root}/problems",
        health=f"{root}/readyz",
    )
    return negotiated(request, greeting, lambda: _page(request))


def _page(request: Request) -> Html:
    # The base is what the client called us: quoted, so that a strange name cannot become a command.
    base = shlex.quote(str(request.base_url).rstrip("/"))
    return framed(request, "Welcome", fill(template("welcome"), root=root_of(request), base=base))
