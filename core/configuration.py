"""What an app is made of: its settings and its modules, read together, so that all that is wrong is told at once."""

import difflib
import logging
from collections.abc import Collection, Sequence

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from core.discovery import discover
from core.module import Module
from core.settings import ModuleChoice, Settings, read_settings, variables

log = logging.getLogger(__name__)


def configure(modules: Sequence[Module] | None = None) -> tuple[Settings, Sequence[Module]]:
    """The settings from the environment and from `.env`, and the modules: those given, or those found in `modules/`.

    Raises `StartupError` that names every setting that is wrong, be it process-wide or a module's, and every one in
    `.env` that nobody knows. What the environment has of those cannot be told from other programs' variables.
    """
    disabled = ModuleChoice().modules_disabled if modules is None else ()
    modules = discover(disabled=disabled) if modules is None else modules
    kinds = [module.settings for module in modules if module.settings]
    strangers = _strangers([Settings, *kinds])
    if disabled and strangers:  # which may be settings of the modules that are left out
        log.warning("Not known in .env: %s", "; ".join(strangers))
        strangers = []
    return read_settings(kinds, strangers), modules


def _strangers(kinds: Sequence[type[BaseSettings]]) -> list[str]:
    """What `.env` sets and nobody reads, each with the name that may have been meant; never a value."""
    known = {name for kind in kinds for name in variables(kind)}
    given = DotEnvSettingsSource(Settings, env_ignore_empty=False).env_vars
    return [_strange(name.upper(), known) for name, value in given.items() if name.upper() not in known and value != ""]


def _strange(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"{name}: no such setting is known{f'; is {near[0]} meant?' if near else ''}"
