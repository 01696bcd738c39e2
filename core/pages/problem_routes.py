"""The list of problem types and error codes at `/problems`, and a page for each type at the URL that is its `type`."""

from collections.abc import Sequence

from fastapi import FastAPI, Request, Response

from core.errors import NotFound
from core.module import Module
from core.pages.page import Html, framed, negotiated, root_of
from core.pages.problem_catalog import describe, error_codes, operations_of, problem_types, summary
from core.pages.problem_page import list_of_problems, page_of_problem


def install_problem_pages(app: FastAPI, modules: Sequence[Module]) -> None:
    """Serve the pages of all problems and error codes of core and `modules`. Raise `StartupError` if two problems have
    the same name, or if a code is declared twice."""
    types = problem_types(modules)
    summaries = [summary(problem) for problem in types.values()]
    codes = error_codes(modules)

    def page(request: Request) -> Html:
        return framed(request, "Problems", list_of_problems(root_of(request), summaries, codes))

    @app.get("/problems", include_in_schema=False)
    async def problems(request: Request) -> Response:
        return negotiated(request, summaries, lambda: page(request))

    @app.get("/problems/codes", include_in_schema=False)
    async def list_codes(request: Request) -> Response:
        return negotiated(request, codes, lambda: page(request))

    @app.get("/problems/{slug}", include_in_schema=False)
    async def problem(request: Request, slug: str) -> Response:
        kind = types.get(f"/problems/{slug}")
        if kind is None:
            raise NotFound("There is no problem type with this name. GET /problems lists all problem types.")
        operations = list(operations_of(app.openapi()))
        read = describe(kind, types, operations)
        everything = [operation for operation, _ in operations]
        return negotiated(
            request, read, lambda: framed(request, read.title, page_of_problem(root_of(request), read, everything))
        )
