"""The pages of the API documentation. All their files are served by this host, so they work without internet access.

Scalar and Stoplight Elements were compared with them at 1280 and 400 pixels, in light and dark colours. Scalar looks
best, but needs inline styles, which the content security policy forbids, loads from other hosts, and has 3.6 MB.
Elements has no dark mode. Swagger UI has one, and ReDoc has themes; `static/docs.css` adds what they lack.
"""

from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.staticfiles import StaticFiles

from core.api import IfNoneMatch, not_modified
from core.errors import StartupError
from core.pages.page import Page, fill, root_of, template

_LOGO = b'"https://cdn.redoc.ly/redoc/logo-mini.svg"'

_DENY_OTHERS = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class SwaggerPage(Page):
    """The Swagger UI page. It loads scripts and data only from this host, and can show images from responses."""

    policy = "script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data: blob:; " + _DENY_OTHERS


class RedocPage(Page):
    """The ReDoc page. It loads scripts and data only from this host, and runs its search in a worker.

    ReDoc inserts two inline style elements, which are allowed by their hashes: an empty one, whose rules a script sets,
    and that of its scroll bars.
    """

    policy = (
        "script-src 'self'; connect-src 'self'; worker-src blob:; img-src 'self' data:; "
        "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
        "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='; " + _DENY_OTHERS
    )


class _Assets(StaticFiles):
    """Static files that caches may store but must revalidate before each use."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


def install_docs(app: FastAPI) -> None:
    """Serve `/docs` (Swagger UI) and `/redoc`, with their assets under `/static`."""
    app.mount("/static", _Assets(directory=_assets(), packages=[("core.pages", "static")]), name="static")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> SwaggerPage:
        return SwaggerPage(fill(template("swagger"), root=root_of(request), title=app.title))

    @app.get("/redoc", include_in_schema=False)
    async def redoc(request: Request) -> RedocPage:
        return RedocPage(fill(template("redoc"), root=root_of(request), title=app.title))

    @app.get("/redoc.js", include_in_schema=False)
    async def redoc_script(known: IfNoneMatch) -> Response:
        script, etag = _redoc_script()
        whole = Response(script, media_type="text/javascript", headers={"ETag": etag})
        response = not_modified(etag, known) or whole
        response.headers["Cache-Control"] = "no-cache"
        return response


@cache
def _redoc_script() -> tuple[bytes, str]:
    """Return ReDoc's script and its entity tag.

    The only external URL in the script, of a logo, is replaced by an empty image, so browsers send no request to that
    host. ReDoc omits an image that it cannot load.
    """
    script = (_assets() / "redoc.standalone.js").read_bytes().replace(_LOGO, b'"data:,"')
    return script, f'"{blake2b(script, digest_size=15).hexdigest()}"'


def _assets() -> Path:
    """Return the folder of static files in the package fastapi-offline, without importing the package."""
    spec = find_spec("fastapi_offline")
    if not spec or not spec.origin:
        raise StartupError("The package fastapi-offline is missing: pip install -r requirements.txt")
    return Path(spec.origin).parent / "static"
