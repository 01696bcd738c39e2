"""`python -m core new-module NAME`: writes a new module and its tests, ready to be changed."""

from core.cli.new_module.command import new_module

__all__ = ["new_module"]
