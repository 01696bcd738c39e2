"""Where a record is found."""

from urllib.parse import quote

from fastapi import Request

from core.openapi import header

LOCATION = header("Location", "The address of the record.")


def address(request: Request, *steps: str) -> str:
    """The address made of these steps, below the prefix that a proxy gives the service."""
    return "/".join([request.scope.get("root_path", ""), *(quote(step, safe="") for step in steps)])
