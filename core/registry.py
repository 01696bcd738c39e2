"""Discovery of the modules, and reading their settings.

To add a module, add a folder under `modules/`, or install a distribution with an entry point for it
(https://packaging.python.org/en/latest/specifications/entry-points/); no other file needs to change. An error in a
module stops the startup with one line that names the file and the fix; a broken module is never skipped silently.
"""

import ast
import difflib
import importlib
import logging
import re
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from core.errors import StartupError
from core.identity import Authenticator
from core.module import Module, place_of
from core.settings import ModuleSelection, Settings, read_settings, variables

log = logging.getLogger(__name__)


GROUP = "student_api.modules"
"""The group of entry points, such as `library = "school_library"`: the module's name, and the package that has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the code of a module is: its package and that package's folder. `where` names it in errors."""

    package: str
    folder: Path
    where: str


def discover(package: str = "modules", disabled: Collection[str] = ()) -> list[Module]:
    """Return the declaration of each folder in `package` and of each entry point, sorted by name, without the
    `disabled` modules and those that import one of them. Raise `StartupError` if a module is invalid."""
    sources = sources_of_modules(package)
    off = _disabled_with_importers(sources, disabled) if disabled else set()
    modules = [_load(sources[name], name) for name in sorted(sources) if name not in off]
    for module in modules:
        _check_imports(module.name, sources)
    _check_follows(modules)
    return modules


def sources_of_modules(package: str = "modules") -> dict[str, Source]:
    """Return where the code of each module is, by the module's name."""
    sources = dict(_sources_in(package))
    for name, source in _installed_sources():
        if name in sources:
            raise StartupError(
                f"The module {name} exists twice: {sources[name].where}, and {source.where}. Rename one of them."
            )
        sources[name] = source
    return sources


def _sources_in(package: str) -> Iterator[tuple[str, Source]]:
    """Yield the name and the source of each folder in a package."""
    root = Path(importlib.import_module(package).__path__[0])
    for stray in root.glob("*.py"):
        if stray.name != "__init__.py":
            raise StartupError(f"{package}/{stray.name} is not a module. Make it a folder: {package}/{stray.stem}/")
    for folder in root.iterdir():
        if folder.is_dir() and folder.name[0] not in "._":
            name = folder.name
            yield name, Source(f"{package}.{name}", folder, f"{package}/{name}/__init__.py")


def _installed_sources() -> Iterator[tuple[str, Source]]:
    """Yield the name and the source of each module that an installed distribution has an entry point for."""
    for entry in entry_points(group=GROUP):
        distribution = entry.dist.name if entry.dist else "an unknown distribution"
        where = f"{entry.module} (entry point {entry.name} of {distribution})"
        folder = _folder_of(entry)
        if folder is None:
            raise StartupError(f"{where} is not a package. Let the entry point name a folder with an __init__.py.")
        yield entry.name, Source(entry.module, folder, where)


def _folder_of(entry: EntryPoint) -> Path | None:
    """Return the folder of an entry point's package, which is not imported; None if there is none."""
    try:
        spec = find_spec(entry.module)
    except ImportError:  # a part of a dotted name is missing
        spec = None
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _disabled_with_importers(sources: Mapping[str, Source], disabled: Collection[str]) -> set[str]:
    """Return the names of the disabled modules and of those that import them."""
    unknown = set(disabled) - set(sources)
    if unknown:
        known = ", ".join(sorted(sources))
        raise StartupError(
            f"Unknown modules in MODULES_DISABLED: {', '.join(sorted(unknown))}. Known modules: {known}."
        )
    needs = {name: {other for other, _, _ in _imports(name, sources)} for name in sources}
    off = set(disabled)
    while more := {name for name in needs if name not in off and needs[name] & off}:
        for name in sorted(more):
            log.warning("Module %s is disabled because it imports %s", name, ", ".join(sorted(needs[name] & off)))
        off |= more
    return off


def imported(name: str, sources: Mapping[str, Source]) -> set[tuple[str, str]]:
    """Return the imports of a module's files from other modules, each as the other module's name and the rest of the
    dotted name, which is empty for the module itself."""
    return {(other, rest) for other, rest, _ in _imports(name, sources)}


def _imports(name: str, sources: Mapping[str, Source]) -> Iterator[tuple[str, str, str]]:
    """Yield each import of a module from another one as in `imported`, with its file and line."""
    own = sources[name]
    others = {other: source.package for other, source in sources.items() if other != name}
    roots = {package.rpartition(".")[0] or package for package in others.values()}
    parents = frozenset(package.rsplit(".", count)[0] for package in others.values() for count in range(4))
    mention = re.compile(rf"\b({'|'.join(map(re.escape, roots))})(?!\.{own.folder.name}\b)|\.\.".encode())
    for file in sorted(own.folder.rglob("*.py")):
        parts = (*own.package.split("."), *file.relative_to(own.folder).parts)
        text = file.read_bytes()
        if not mention.search(text):  # parsing all takes 0.1 s
            continue
        for dotted, line, is_read in _names(text, parts[:-1], parents):
            for other, package in others.items():
                rest = dotted[len(package) + 1 :]
                # What follows a name that was read, such as a method of it, is the business of that name's owner.
                if f"{dotted}.".startswith(f"{package}.") and not (is_read and ("." in rest or rest.startswith("__"))):
                    yield other, rest, f"{'/'.join(parts)}, line {line}"


@cache
def _names(source: bytes, package: tuple[str, ...], parents: frozenset[str]) -> list[tuple[str, int, bool]]:
    """Return the absolute names that a file of `package` imports, or reads as attributes of the packages `parents`.
    Each has its line, and whether it is read so."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []  # importing the file reports the error
    found: list[tuple[str, int, bool]] = []
    bound: list[tuple[str, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                found += [(alias.name, node.lineno, False) for alias in names]
                heads = [alias.name.partition(".")[0] for alias in names if not alias.asname]
                bound += [*zip(heads, heads, strict=True), *((one.asname, one.name) for one in names if one.asname)]
            case ast.ImportFrom(origin, names, level):
                above = package[: len(package) - level + 1] if level else ()
                start = ".".join([*above, *([origin] if origin else [])])
                found += [(f"{start}.{alias.name}", node.lineno, False) for alias in names]
                if start in parents:
                    bound += [(alias.asname or alias.name, f"{start}.{alias.name}") for alias in names]
    known = {name: dotted for name, dotted in bound if dotted in parents}
    if known or b"import_module" in source or b"__import__" in source:  # in few files: all would take 10 ms
        found += [one for node in ast.walk(tree) for one in _read_or_called(node, known)]
    return found


def _read_or_called(node: ast.AST, bound: Mapping[str, str]) -> Iterator[tuple[str, int, bool]]:
    """Yield the dotted name that an expression reads, or that a call of `import_module` imports, as `_names` does."""
    match node:
        case ast.Attribute():
            if dotted := _dotted(node, bound):
                yield dotted, node.lineno, True
        case ast.Call(ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"), args):
            yield from ((str(one.value), node.lineno, False) for one in args if isinstance(one, ast.Constant))


def _dotted(node: ast.expr, bound: Mapping[str, str]) -> str | None:
    """Return the absolute name of `a.b.c`, of which `a` may be bound by an import; None for another expression."""
    match node:
        case ast.Name(name) if name in bound:
            return bound[name]
        case ast.Attribute(value, attr):
            start = _dotted(value, bound)
            return f"{start}.{attr}" if start else None
    return None


def _check_imports(name: str, sources: Mapping[str, Source]) -> None:
    """Raise `StartupError` if a module's file imports what another module's `__all__` does not name."""
    for other, rest, where in _imports(name, sources):
        package = sources[other].package
        used = sys.modules.get(package)
        if used and rest not in ("", "*", *getattr(used, "__all__", ())):
            raise StartupError(
                f"{where}: {package}.{rest} is internal to the module {other}. "
                f"Instead, use {package}.__all__: from {package} import …"
            )


def _check_follows(modules: Sequence[Module]) -> None:
    """Raise `StartupError` if a module follows an event that no module's `__all__` names, also of one that is switched
    off."""
    packages = [one for one in sys.modules.values() if isinstance(vars(one).get("module"), Module)]
    offered = {id(getattr(one, name, None)) for one in packages for name in getattr(one, "__all__", ())}
    for module in modules:
        for follow in module.followed:
            if id(follow.event) not in offered:
                raise StartupError(
                    f"{place_of(follow.handle)}: the module {module.name} follows the event {follow.event.name!r}, "
                    "which no module offers. Import an event that another module names in its __all__."
                )


def _load(source: Source, name: str) -> Module:
    where = source.where
    if not name.isidentifier():
        raise StartupError(f"{where} has an invalid name: {name}. Use only letters, digits and '_' in it.")
    try:
        module = getattr(importlib.import_module(source.package), "module", None)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        # The module's own line says more than that of a library that it called.
        last = next((frame for frame in reversed(frames) if str(source.folder) in frame.filename), frames[-1])
        place = f"{last.filename}, line {last.lineno}"
        reason = " ".join(str(error).split())
        if isinstance(error, StartupError):
            raise StartupError(f"{where} declares an invalid module. {reason} ({place})") from error
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
    """Return the settings from the environment and from `.env`, and the modules: those given, or those in
    `modules/` and those that are installed.

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
