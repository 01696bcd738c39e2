"""The API's own description, `/openapi.json`: what FastAPI finds out by itself, completed."""

from core.openapi.document import install_openapi

__all__ = ["install_openapi"]
