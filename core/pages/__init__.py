"""The pages that people open in a browser: the documentation, the welcome, and one for each kind of problem."""

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
