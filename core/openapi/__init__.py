"""The OpenAPI document `/openapi.json`: the document that FastAPI generates, completed."""

from core.openapi.document import install_openapi

__all__ = ["install_openapi"]
