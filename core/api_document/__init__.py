"""The API's own description, `/openapi.json`: what FastAPI finds out by itself, completed."""

from core.api_document.completion import install_openapi

__all__ = ["install_openapi"]
