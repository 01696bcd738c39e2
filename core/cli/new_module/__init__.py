"""`python -m core new-module NAME`: generates a new module and its tests as a starting point."""

from core.cli.new_module.command import new_module

__all__ = ["new_module"]
