"""The declaration of a feature module."""

import inspect
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from beanie import Document

from core.command import Command
from core.database import unstorable_fields, wrong_indexes
from core.errors import StartupError
from core.events import Follow
from core.functions import check_async
from core.identity import Authenticator
from core.references import Reference, copies_in
from core.routing import CheckedRoute, ProtectedRoute, ProtectedRouter, PublicRouter
from core.settings import ModuleSettings

_YEAR_SECONDS = 366 * 24 * 3600

_STORABLE = {"Decimal": "DecimalField of core.api", "time": "TimeOfDay of core.api"}

HealthCheck = Callable[[], Awaitable[None]]
"""Return if the module is healthy; raise an exception otherwise."""

DataCheck = Callable[[], AsyncIterator[str]]
"""Read all stored data as a stream, and yield a message for each inconsistency."""

Lifespan = Callable[[], AbstractAsyncContextManager[None]]
"""Open while the service runs: code before its `yield` runs at startup, code after it at shutdown."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The made-up records of a module, for `python -m core demo`.

    documents  the documents whose collections must be empty before any module stores its records
    fill       stores the records with few commands, and returns a text about them for the terminal

    The accounts of the demo are named after their roles, so records that name their author can name one of them.
    """

    documents: tuple[type[Document], ...]
    fill: Callable[[], Awaitable[str]]

    def __post_init__(self) -> None:
        """Raise `StartupError` for documents or a function of a wrong type."""
        check_async(self.fill, "The function `fill` of Demo")
        if not isinstance(self.documents, tuple) or not all(_is_subclass(one, Document) for one in self.documents):
            raise StartupError("documents of Demo is no tuple of documents. Write documents=(…,), with a comma.")


@dataclass(frozen=True)
class Every:
    """A job: work that the running service repeats in the background, with the database open. It begins at startup.

    seconds           the pause between the end of a run and the start of the next one, from above 0 to a year
    work              an async function without arguments, whose name is that of the job. An error is logged and
                      counted, and the work is soon run again. At shutdown it is cancelled
    once_per_service  whether only one of all processes runs the work at a time, and then pauses for all of them. A
                      process that dies or loses the database may have done a part, or be replaced by another one too
                      early, so the work must be safe to repeat
    endless           whether the work never ends unless it fails, such as reading a stream of changes
    """

    seconds: float
    work: Callable[[], Coroutine[Any, Any, None]]
    _: KW_ONLY
    once_per_service: bool = False
    endless: bool = False

    def __post_init__(self) -> None:
        """Raise `StartupError` for work that cannot be called, or a pause that is no number of seconds up to a year:
        the time after a longer one may not exist."""
        check_async(self.work, "The work of Every")
        if not isinstance(self.seconds, int | float) or not 0 < self.seconds <= _YEAR_SECONDS:
            raise StartupError(
                f"The job {self.name} has the pause {self.seconds!r}. Give a number of seconds above 0, "
                f"and up to {_YEAR_SECONDS}, a year."
            )

    @property
    def name(self) -> str:
        """The name of the work's function."""
        name: str = _source_of(self.work).__name__
        return name


def _is_subclass(declared: Any, kind: type) -> bool:
    return isinstance(declared, type) and issubclass(declared, kind)


def _is_texts(declared: Any) -> bool:
    return isinstance(declared, Mapping) and all(isinstance(one, str) for pair in declared.items() for one in pair)


_ITEMS: Mapping[str, type] = {
    "documents": Document,
    "jobs": Every,
    "follows": Follow,
    "references": Reference,
    "commands": Command,
}
"""What the tuples of a declaration contain."""

_VALUES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "description": (lambda value: isinstance(value, str), "text"),
    "position": (lambda value: isinstance(value, int), "a whole number"),
    "migrations": (lambda value: isinstance(value, ModuleType), "a package. Import the package, and write its name"),
    "settings": (
        lambda value: _is_subclass(value, ModuleSettings),
        "a class that inherits from ModuleSettings. Write its name without parentheses",
    ),
    "authenticator": (callable, "a function that takes a token"),
    "lifespan": (callable, "a function with @asynccontextmanager. Write its name without parentheses"),
    "error_codes": (_is_texts, "a dict of texts: the codes and their explanations"),
    "demo": (lambda value: isinstance(value, Demo), "a Demo"),
}
"""The other values of a declaration: a test of their type, and what the error says they must be."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """The contributions of a feature module to the service.

    name           the name of the module's folder, which is also its tag in the API documentation
    description    the description of the tag in the API documentation
    position       the position of the tag in the API documentation: what a newcomer needs first has the lowest number
    router         routes that require a signed-in user: a `ProtectedRouter`
    public_router  routes that anyone may call: a `PublicRouter`
    documents      the Beanie documents whose collections the module owns
    migrations     the package of the module's migrations; see `core.migrations`
    settings       the class of the module's settings
    authenticator  verifies access tokens (see `core.identity`); exactly one module of an app declares it
    lifespan       a context manager that is open while the service runs, with the database connected: code before its
                   `yield` runs at startup, code after it at shutdown
    jobs           work that is repeated in the background while the service runs
    follows        what the module does on events of other modules' records
    references     which of the module's documents have records that belong to records of other modules
    health_check   a check that `/readyz` includes
    data_check     a check that `python -m core check --data` runs
    commands       terminal commands that `python -m core` offers
    error_codes    the codes of field errors that only this module finds, each with an explanation for `/problems`
    demo           made-up records for an empty database; those of several modules are stored in the order of their
                   positions
    """

    name: str
    description: str = ""
    position: int = 100
    router: ProtectedRouter | None = None
    public_router: PublicRouter | None = None
    documents: tuple[type[Document], ...] = ()
    migrations: ModuleType | None = None
    settings: type[ModuleSettings] | None = None
    authenticator: Authenticator | None = None
    lifespan: Lifespan | None = None
    jobs: tuple[Every, ...] = ()
    follows: tuple[Follow[Any], ...] = ()
    references: tuple[Reference[Any], ...] = ()
    health_check: HealthCheck | None = None
    data_check: DataCheck | None = None
    commands: tuple[Command, ...] = ()
    error_codes: Mapping[str, str] = field(default_factory=dict, hash=False)
    demo: Demo | None = None

    def __post_init__(self) -> None:
        """Raise `StartupError` for a declaration of a wrong type, for routers or routes that would skip authentication
        or the checks of requests, for documents with fields that cannot be stored, for two jobs with the same name, and
        for references without what they need."""
        self._check_types()
        if self.router is not None and not isinstance(self.router, ProtectedRouter):
            raise StartupError(
                f"Module {self.name}: router must be a ProtectedRouter; add public routes to public_router."
            )
        if self.public_router is not None and not isinstance(self.public_router, PublicRouter):
            raise StartupError(f"Module {self.name}: public_router must be a PublicRouter.")
        self._check_routes(self.router, ProtectedRoute)
        self._check_routes(self.public_router, CheckedRoute)
        self._check_documents()
        twice = [name for name, count in Counter(job.name for job in self.jobs).items() if count > 1]
        if twice:
            raise StartupError(f"Module {self.name}: two jobs have the name {twice[0]}. Rename one of the functions.")
        self._check_copies()
        for reference in self.references:
            if reference.document not in self.documents:
                raise StartupError(f"Module {self.name}: add {reference.document.__name__} to documents.")
            reference.check()

    @property
    def followed(self) -> tuple[Follow[Any], ...]:
        """All that the module follows, also for its references."""
        return (*self.follows, *(follow for reference in self.references for follow in reference.follows))

    def _check_types(self) -> None:
        for name, kind in _ITEMS.items():
            declared = getattr(self, name)
            if not isinstance(declared, tuple):
                raise StartupError(
                    f"Module {self.name}: {name} is no tuple. Write {name}=(…,), with a comma after the only one, too."
                )
            for one in declared:
                # Documents are declared as classes, the others as objects.
                is_right = issubclass(one, kind) if isinstance(one, type) else isinstance(one, kind)
                if not is_right or isinstance(one, type) is not (kind is Document):
                    raise StartupError(f"Module {self.name}: {name} has {one!r}, which is no {kind.__name__}.")
        for name, (accepts, what) in _VALUES.items():
            declared = getattr(self, name)
            is_absent = declared is None and getattr(Module, name, "") is None
            if not is_absent and not accepts(declared):
                # Without the value: an object of settings may have secrets.
                raise StartupError(f"Module {self.name}: {name} must be {what}.")
        if self.health_check is not None:
            check_async(self.health_check, f"Module {self.name}: health_check")
        if self.data_check is not None:
            check_async(self.data_check, f"Module {self.name}: data_check", yields=True)

    def _check_copies(self) -> None:
        """Raise `StartupError` for a copy of an owner that no reference keeps up to date and deletes."""
        kept = {(reference.document, reference.owners.name) for reference in self.references}
        for document in self.documents:
            for name, declared in document.model_fields.items():
                for copy in copies_in(declared.annotation, set()):
                    if copy is not declared.annotation:
                        raise StartupError(
                            f"{place_of(document)}: the field {name} of {document.__name__} has a {copy.__name__} "
                            "inside of another type, which no reference keeps up to date. Store a record for each "
                            f"owner, with a field of exactly this type, such as `student: {copy.__name__}`."
                        )
                    if (document, name) not in kept:
                        raise StartupError(
                            f"{place_of(document)}: no reference keeps the copy {name} of {document.__name__} up to "
                            f"date. Add references=(Reference({document.__name__}, …),)."
                        )

    def _check_documents(self) -> None:
        for document in self.documents:
            for wrong in wrong_indexes(document):
                raise StartupError(f"{place_of(document)}: {wrong}")
            for path, kind in unstorable_fields(document).items():
                remedy = _STORABLE.get(kind, "another type")
                raise StartupError(
                    f"{place_of(document)}: the field {path} of {document.__name__} has a type that cannot be stored "
                    f"and read again: {kind}. Use {remedy}, or add an encoder to `bson_encoders` in its Settings."
                )

    def _check_routes(self, router: ProtectedRouter | PublicRouter | None, kind: type[CheckedRoute]) -> None:
        """Raise `StartupError` for a route that was added in a way that skips the checks of its requests."""
        for route in router.routes if router else ():
            if not isinstance(route, kind):
                path = getattr(route, "path", "a route")
                raise StartupError(
                    f"Module {self.name}: requests to {path} would not be checked. Declare it with the router's own "
                    "decorators, such as @router.get, and include only routers of the same class."
                )


def in_order(modules: Iterable[Module]) -> list[Module]:
    """Return the modules in the order of their positions, and those at the same position sorted by name."""
    return sorted(modules, key=lambda module: (module.position, module.name))


def place_of(declared: object) -> str | None:
    """Return the file and line of a class or function; None if there is none. Slow, as it reads the file: use it for
    errors only."""
    source = _source_of(declared)
    try:
        return f"{inspect.getsourcefile(source)}, line {inspect.getsourcelines(source)[1]}"
    except (TypeError, OSError):
        return f"the declaration of {declared.name}" if isinstance(declared, Module) else None


def changed_at(declared: object) -> float:
    """Return when the file of a class or function was changed last, in seconds since 1970; 0 if there is no file."""
    try:
        return Path(inspect.getfile(_source_of(declared))).stat().st_mtime
    except (TypeError, OSError):
        return 0


def _source_of(declared: object) -> Any:
    """Return the function inside of decorators and `partial`, or the object itself."""
    return inspect.unwrap(getattr(declared, "func", declared))  # type: ignore[arg-type]
