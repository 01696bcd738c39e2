"""The HTML pages of the service: the API documentation, the welcome page, and one page for each problem type."""

from core.pages.docs import install_docs
from core.pages.problem_catalog import problem_types
from core.pages.problem_routes import install_problem_pages
from core.pages.welcome import router

__all__ = [
    "install_docs",
    "install_problem_pages",
    "problem_types",
    "router",
]
