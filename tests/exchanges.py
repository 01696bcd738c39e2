"""Keep what tests send to the service, what it answers and what it logs meanwhile, to print it when a test fails."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from httpx2 import Request, Response

from core.operations.logging import TextFormatter

KEPT = 3
"""How many requests, the last ones of a test, are printed."""

MAX_CHARACTERS = 4_000
"""How much of a body is printed."""


SERVER_LOGS: list[Path] = []
"""The log files of the servers that tests have started."""


class Exchanges(logging.Handler):
    """The last requests of a test, each with its answer, the lines that this process logged from its start on, and the
    lines of servers' logs that name its id."""

    def __init__(self) -> None:
        super().__init__()
        self._requests: deque[Request] = deque(maxlen=KEPT)
        self._answers: dict[int, Response] = {}
        self._records: dict[int, list[logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of the log for the request that is under way, or was the last one."""
        if self._requests:
            self._records.setdefault(id(self._requests[-1]), []).append(record)

    def render(self) -> str:
        """Return the text to print for a failed test."""
        return "\n\n".join("\n".join(self._render(request)) for request in self._requests)

    def begin(self, request: Request) -> None:
        """Keep a request."""
        self._requests.append(request)

    def answer(self, response: Response) -> None:
        """Keep the answer to a request."""
        self._answers[id(response.request)] = response

    def _render(self, request: Request) -> Iterator[str]:
        yield f"> {request.method} {request.url.raw_path.decode()}"
        yield from (f"> {name}: {value}" for name, value in request.headers.items() if name != "authorization")
        yield _body(request)
        answer = self._answers.get(id(request))
        if answer is None:
            yield "< no answer"
        else:
            yield f"< {answer.status_code}"
            yield from (f"< {name}: {value}" for name, value in answer.headers.items())
            yield _body(answer)
            yield from (f"log: {line}" for line in _server_lines(answer.headers.get("X-Request-ID", "")))
        format_ = TextFormatter().format
        yield from (f"log: {format_(record)}" for record in self._records.get(id(request), []))


def _server_lines(request_id: str) -> list[str]:
    logs = [log for log in SERVER_LOGS if log.exists()] if request_id else []
    return [line for log in logs for line in log.read_text(errors="replace").splitlines() if request_id in line]


def _body(message: Request | Response) -> str:
    try:
        text = message.content.decode(errors="replace")
    except Exception:  # noqa: BLE001 (a stream that was not read; each client library has an error of its own for it)
        return "(a stream)"
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}… ({len(text)} characters)"


current = Exchanges()
"""Those of the test that is under way."""


def _begin(request: Request) -> None:
    current.begin(request)


def _answer(response: Response) -> None:
    current.answer(response)


HOOKS: dict[str, list[Callable[..., Any]]] = {"request": [_begin], "response": [_answer]}
"""What to set as `event_hooks` of a client, so that its requests are kept."""


def start_test() -> None:
    """Forget the requests of the test before."""
    global current  # noqa: PLW0603 (pytest runs one test at a time)
    logging.getLogger().removeHandler(current)
    current = Exchanges()
    logging.getLogger().addHandler(current)
