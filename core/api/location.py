"""The URLs of records, and the `Location` header."""

from typing import Any
from urllib.parse import quote

from fastapi import Request

from core.api.documented_responses import header


def location(example: str) -> dict[str, Any]:
    """Return the documentation of the header with the URL of a new record."""
    return header("Location", "The URL of the record.", example=example, always=True)


def url_path(request: Request, *steps: str) -> str:
    """Return the URL path with these segments, below the path prefix under which a proxy serves the app."""
    return "/".join([request.scope.get("root_path", ""), *(quote(step, safe="") for step in steps)])
