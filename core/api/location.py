"""Where a record is found."""

from typing import Any
from urllib.parse import quote

from fastapi import Request

from core.api.documented_responses import header


def location(example: str) -> dict[str, Any]:
    """The documentation of the header that tells the address of what was made."""
    return header("Location", "The address of the record.", example=example, always=True)


def address(request: Request, *steps: str) -> str:
    """The address made of these steps, below the prefix that a proxy gives the service."""
    return "/".join([request.scope.get("root_path", ""), *(quote(step, safe="") for step in steps)])
