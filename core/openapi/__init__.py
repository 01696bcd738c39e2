"""The OpenAPI document `/openapi.json`: the document that FastAPI generates, completed."""

from core.openapi.document import DESCRIPTION, install_openapi
from core.openapi.document_route import install_document_route

__all__ = ["DESCRIPTION", "install_document_route", "install_openapi"]
