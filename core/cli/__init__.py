"""The commands of `python -m core`."""

from core.cli import openapi, settings
from core.cli.backup import dump, restore
from core.cli.check import check
from core.cli.demo import demo
from core.cli.migrate import migrate
from core.cli.new_module import new_module

__all__ = ["check", "demo", "dump", "migrate", "new_module", "openapi", "restore", "settings"]
