"""How the modules are found, and their settings read.

Adding a module is adding a folder under `modules/`: nothing outside of it is edited. Whatever is wrong with one
stops the start, in one line that says which file and what to do; a broken module never silently vanishes.
"""

import ast
import difflib
import importlib
import logging
import traceback
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from core.errors import StartupError
from core.identity import Authenticator
from core.module import Module
from core.settings import ModuleSelection, Settings, read_settings, variables

log = logging.getLogger(__name__)


def discover(package: str = "modules", disabled: Collection[str] = ()) -> list[Module]:
    """The declarations of every folder of `package`, in sorted order, other than those that are `disabled` and those
    that need one of these. Raises `StartupError`."""
    root = Path(importlib.import_module(package).__path__[0])
    for stray in root.glob("*.py"):
        if stray.name != "__init__.py":
            raise StartupError(f"{package}/{stray.name} is not a module. Make it a folder: {package}/{stray.stem}/")
    folders = {path.name: path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._"}
    off = _switched_off(package, folders, disabled) if disabled else set()
    return [_load(package, name) for name in sorted(folders) if name not in off]


def _switched_off(package: str, folders: Mapping[str, Path], disabled: Collection[str]) -> set[str]:
    """The disabled modules, and those that import one of them."""
    unknown = set(disabled) - set(folders)
    if unknown:
        known = ", ".join(sorted(folders))
        raise StartupError(f"MODULES_DISABLED names {', '.join(sorted(unknown))}. There are these modules: {known}.")
    imports = {name: {module for module, _ in imported(package, folder)} for name, folder in folders.items()}
    needs = {name: others & set(folders) for name, others in imports.items()}
    off = set(disabled)
    while more := {name for name in needs if name not in off and needs[name] & off}:
        for name in sorted(more):
            log.warning("The module %s is off, because it needs %s", name, ", ".join(sorted(needs[name] & off)))
        off |= more
    return off


def imported(package: str, folder: Path) -> set[tuple[str, str]]:
    """What the files of a folder import from other modules of `package`: the module, and the rest of the dotted name,
    which is empty for the module itself."""
    found = set()
    for file in folder.rglob("*.py"):
        try:
            tree = ast.parse(file.read_bytes())
        except SyntaxError:
            continue  # which is told when it is imported
        for node in ast.walk(tree):
            match node:
                case ast.Import(names):
                    found |= {alias.name for alias in names}
                case ast.ImportFrom(str(origin), names):
                    found |= {f"{origin}.{alias.name}" for alias in names}
    prefix = f"{package}."
    inside = [name.removeprefix(prefix).partition(".") for name in found if name.startswith(prefix)]
    return {(module, rest) for module, _, rest in inside if module != folder.name}


def _load(package: str, name: str) -> Module:
    where = f"{package}/{name}/__init__.py"
    if not name.isidentifier():
        raise StartupError(f"The folder {package}/{name} cannot be imported: name it with letters, digits and '_'.")
    try:
        module = getattr(importlib.import_module(f"{package}.{name}"), "module", None)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename}, line {last.lineno}"
        raise StartupError(f"{where} cannot be imported: {type(error).__name__}: {error} ({place})") from error
    if not isinstance(module, Module):
        raise StartupError(f"{where} declares no module. Add: module = Module(name={name!r}, …)")
    if module.name != name:
        raise StartupError(f"{where} declares the name {module.name!r}. Make it {name!r}.")
    return module


def get_authenticator(modules: Sequence[Module]) -> Authenticator:
    """The one authenticator that `modules` declare; raises `StartupError` when there is none, or more than one."""
    found = [(module.name, module.authenticator) for module in modules if module.authenticator]
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none, unless MODULES_DISABLED names one"
        raise StartupError(f"Exactly one module must declare an authenticator; these do: {names}.")
    return found[0][1]


def configure(modules: Sequence[Module] | None = None) -> tuple[Settings, Sequence[Module]]:
    """The settings from the environment and from `.env`, and the modules: those given, or those found in `modules/`.

    Raises `StartupError` that names every setting that is wrong, be it process-wide or a module's, and every one in
    `.env` that nobody knows. What the environment has of those cannot be told from other programs' variables.
    """
    disabled = ModuleSelection().modules_disabled if modules is None else ()
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
