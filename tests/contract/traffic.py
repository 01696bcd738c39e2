"""What an app does while it answers the requests of the contract: its responses, errors, commands and delays."""

import logging
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from httpx2 import Request, Response

from tests.contract.event_loop import LoopWatch
from tests.contract.operations import Operation
from tests.contract.places import is_own, place
from tests.direct_client import DirectClient
from tests.queries import SentCommands

_PARAMETER = r"\{\w+\}"


@dataclass(eq=False)
class Traffic(logging.Handler):
    """The requests to an app, by operation.

    sent      the commands to the database
    answers   the responses, each with its operation
    failures  for each operation that failed: the exception, with the file and line of the module
    logged    for each operation: the last exception that was logged meanwhile, the cause of a status of 500 or more
    held      for each operation that held the event loop: the line of the module
    """

    operations: Sequence[Operation]
    sent: SentCommands = field(default_factory=SentCommands)
    answers: list[tuple[Operation, Response]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    logged: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        logging.Handler.__init__(self, logging.ERROR)
        self._patterns = [(one, re.compile(re.sub(_PARAMETER, ".+", one.path))) for one in self.operations]

    @contextmanager
    def of(self, client: DirectClient) -> Iterator[None]:
        """Observe the requests of a client, whose app must send its commands to `sent`."""
        watch = LoopWatch(client, lambda: self.sent.route)
        self.held = watch.held
        client.event_hooks = {"request": [self._begin], "response": [self._end]}
        client.asgi.app = self._observed(client.asgi.app, watch)
        logging.getLogger().addHandler(self)
        watch.start()
        try:
            yield
        finally:
            watch.stop()
            logging.getLogger().removeHandler(self)

    def of_operation(self, operation: Operation) -> list[Response]:
        """Return the responses of an operation."""
        return [answer for asked, answer in self.answers if asked == operation]

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the exception of a request."""
        if self.sent.route and record.exc_info and record.exc_info[1]:
            self.logged[self.sent.route] = described(record.exc_info[1])

    @contextmanager
    def working_on(self, operation: Operation) -> Iterator[None]:
        """Observe the app's work on something other than a request, and remember its exception."""
        self.sent.route = str(operation)
        try:
            yield
        except Exception as error:  # noqa: BLE001 (as for a request, whatever it is)
            self._failed(error)
        finally:
            self.sent.route = ""

    def _failed(self, error: BaseException) -> None:
        if self.sent.route:
            self.failures[self.sent.route] = described(error)

    def _observed(self, app: Any, watch: LoopWatch) -> Any:
        """Return an app that remembers exceptions after the start of a response, which no status tells, and measures
        each request to its end."""

        async def observed(*connection: Any) -> None:
            try:
                await app(*connection)
            except Exception as error:
                self._failed(error)
                raise
            finally:
                watch.measure()

        return observed

    def _begin(self, request: Request) -> None:
        operation = self._operation_of(request)
        self.sent.route = str(operation) if operation else ""

    def _end(self, response: Response) -> None:
        operation = self._operation_of(response.request)
        if operation:
            self.answers.append((operation, response))
        self.sent.route = ""

    def _operation_of(self, request: Request) -> Operation | None:
        method = "GET" if request.method == "HEAD" else request.method
        path = request.url.path
        found = [one for one, pattern in self._patterns if one.method == method and pattern.fullmatch(path)]
        # The longest text outside of parameters: /imports/preview rather than /imports/{import_id}.
        return max(found, key=lambda one: len(re.sub(_PARAMETER, "", one.path)), default=None)


class _Errors(logging.Handler):
    """Collects the exceptions that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the exception of a record, if any."""
        if record.exc_info and record.exc_info[1]:
            self.found.append(described(record.exc_info[1]))


@contextmanager
def errors_logged() -> Iterator[list[str]]:
    """Yield a list to which each exception is added that the app logs meanwhile."""
    handler = _Errors()
    logging.getLogger().addHandler(handler)
    try:
        yield handler.found
    finally:
        logging.getLogger().removeHandler(handler)


def described(error: BaseException) -> str:
    """Return an exception as one line, with the innermost line of a module."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]
    where: Any = f" ({place(frames[-1].filename, frames[-1].lineno or 0)})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{where}"
