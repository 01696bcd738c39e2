"""`python -m core new-module NAME`: writes a new module and its tests, ready to be changed."""

from core.scaffold.command import new_module

__all__ = ["new_module"]
