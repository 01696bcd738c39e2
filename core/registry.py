"""Discovery of the modules, and reading their settings.

To add a module, add a folder under `modules/`; no other file needs to change. An error in a module stops the startup
with one line that names the file and the fix; a broken module is never skipped silently.
"""

import ast
import difflib
import importlib
import logging
import re
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from core.errors import StartupError
from core.identity import Authenticator
from core.module import Module
from core.settings import ModuleSelection, Settings, read_settings, variables

log = logging.getLogger(__name__)


def discover(package: str = "modules", disabled: Collection[str] = ()) -> list[Module]:
    """Return the declaration of each folder in `package`, sorted by name, without the `disabled` modules and those
    that import one of them. Raise `StartupError` if a module is invalid."""
    root = Path(importlib.import_module(package).__path__[0])
    for stray in root.glob("*.py"):
        if stray.name != "__init__.py":
            raise StartupError(f"{package}/{stray.name} is not a module. Make it a folder: {package}/{stray.stem}/")
    folders = {path.name: path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._"}
    off = _disabled_with_importers(package, folders, disabled) if disabled else set()
    modules = [_load(package, folders[name]) for name in sorted(folders) if name not in off]
    for module in modules:
        _check_imports(package, folders[module.name])
    return modules


def _disabled_with_importers(package: str, folders: Mapping[str, Path], disabled: Collection[str]) -> set[str]:
    """Return the names of the disabled modules and of those that import them."""
    unknown = set(disabled) - set(folders)
    if unknown:
        known = ", ".join(sorted(folders))
        raise StartupError(
            f"Unknown modules in MODULES_DISABLED: {', '.join(sorted(unknown))}. Known modules: {known}."
        )
    imports = {name: {module for module, _ in imported(package, folder)} for name, folder in folders.items()}
    needs = {name: others & set(folders) for name, others in imports.items()}
    off = set(disabled)
    while more := {name for name in needs if name not in off and needs[name] & off}:
        for name in sorted(more):
            log.warning("Module %s is disabled because it imports %s", name, ", ".join(sorted(needs[name] & off)))
        off |= more
    return off


def imported(package: str, folder: Path) -> set[tuple[str, str]]:
    """Return the imports of a folder's files from other modules of `package`, each as the module's name and the rest of
    the dotted name, which is empty for the module itself."""
    return {(module, rest) for module, rest, _ in _imports(package, folder)}


def _imports(package: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each import from another module as in `imported`, with its file and line."""
    others = re.compile(rf"\b{package}(?!\.{folder.name}\b)|\.\.".encode())
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder.parent.parent).parts
        source = file.read_bytes()
        for name, line in _names(source, parts[:-1]) if others.search(source) else ():  # parsing all takes 0.1 s
            module, _, rest = name.removeprefix(f"{package}.").partition(".")
            if name.startswith(f"{package}.") and module != folder.name:
                yield module, rest, f"{'/'.join(parts)}, line {line}"


@cache
def _names(source: bytes, package: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return the absolute names that a file of `package` imports, each with its line."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []  # importing the file reports the error
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                found += [(alias.name, node.lineno) for alias in names]
            case ast.ImportFrom(origin, names, level):
                above = package[: len(package) - level + 1] if level else ()
                start = [*above, *([origin] if origin else [])]
                found += [(".".join([*start, alias.name]), node.lineno) for alias in names]
    return found


def _check_imports(package: str, folder: Path) -> None:
    """Raise `StartupError` if a module's file imports what another module's `__all__` does not name."""
    for other, rest, where in _imports(package, folder):
        used = sys.modules.get(f"{package}.{other}")
        if used and rest not in ("", "*", *getattr(used, "__all__", ())):
            raise StartupError(
                f"{where}: {package}.{other}.{rest} is internal to the module {other}. "
                f"Instead, use {package}.{other}.__all__: from {package}.{other} import …"
            )


def _load(package: str, folder: Path) -> Module:
    name = folder.name
    where = f"{package}/{name}/__init__.py"
    if not name.isidentifier():
        raise StartupError(
            f"The folder {package}/{name} cannot be imported. Use only letters, digits and '_' in its name."
        )
    try:
        module = getattr(importlib.import_module(f"{package}.{name}"), "module", None)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        # The module's own line says more than that of a library that it called.
        last = next((frame for frame in reversed(frames) if str(folder) in frame.filename), frames[-1])
        place = f"{last.filename}, line {last.lineno}"
        reason = " ".join(str(error).split())
        raise StartupError(f"{where} cannot be imported: {type(error).__name__}: {reason} ({place})") from error
    if not isinstance(module, Module):
        raise StartupError(f"{where} declares no module. Add: module = Module(name={name!r}, …)")
    if module.name != name:
        raise StartupError(f"{where} declares the name {module.name!r}. Change it to {name!r}.")
    return module


def get_authenticator(modules: Sequence[Module]) -> Authenticator:
    """Return the authenticator that `modules` declare; raise `StartupError` if there is none or more than one."""
    found = [(module.name, module.authenticator) for module in modules if module.authenticator]
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none, unless MODULES_DISABLED names one"
        raise StartupError(f"Exactly one module must declare an authenticator. Modules that declare one: {names}.")
    return found[0][1]


def configure(modules: Sequence[Module] | None = None) -> tuple[Settings, Sequence[Module]]:
    """Return the settings from the environment and from `.env`, and the modules: those given, or those in `modules/`.

    Raise `StartupError` that lists every invalid setting of the process and of modules, and every unknown name in
    `.env`. Unknown variables in the environment are ignored, as they may belong to other programs.
    """
    disabled = ModuleSelection().modules_disabled if modules is None else ()
    modules = discover(disabled=disabled) if modules is None else modules
    kinds = [module.settings for module in modules if module.settings]
    unknown = _unknown_settings([Settings, *kinds])
    if disabled and unknown:  # they may be settings of the disabled modules
        log.warning("Unknown settings in .env: %s", "; ".join(unknown))
        unknown = []
    return read_settings(kinds, unknown), modules


def _unknown_settings(kinds: Sequence[type[BaseSettings]]) -> list[str]:
    """Return an error for each unknown setting in `.env`, with the closest known name, and without the value."""
    known = {name for kind in kinds for name in variables(kind)}
    given = DotEnvSettingsSource(Settings, env_ignore_empty=False).env_vars
    return [
        _unknown_setting(name.upper(), known)
        for name, value in given.items()
        if name.upper() not in known and value != ""
    ]


def _unknown_setting(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"{name}: unknown setting{f'; did you mean {near[0]}?' if near else ''}"
