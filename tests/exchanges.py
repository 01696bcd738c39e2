"""Keep the requests of a test, the responses and what is logged meanwhile, to print them when the test fails."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from httpx2 import Request, Response

from core.operations.logging import TextFormatter

KEPT = 3
"""The number of requests that are printed: the last ones of a test."""

MAX_CHARACTERS = 4_000
"""The number of characters of a body that are printed."""


SERVER_LOGS: list[Path] = []
"""The log files of the servers that tests have started."""


class Exchanges(logging.Handler):
    """The last requests of a test.

    Each has its response, the lines that this process logged after the request, and the lines with the request's id in
    the logs of servers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._requests: deque[Request] = deque(maxlen=KEPT)
        self._answers: dict[int, Response] = {}
        self._records: dict[int, list[logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a log record for the latest request."""
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
    except Exception:  # noqa: BLE001 (a stream that was not read: each client library raises another error)
        return "(a stream)"
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}… ({len(text)} characters)"


current = Exchanges()
"""The exchanges of the running test."""


def _begin(request: Request) -> None:
    current.begin(request)


def _answer(response: Response) -> None:
    current.answer(response)


HOOKS: dict[str, list[Callable[..., Any]]] = {"request": [_begin], "response": [_answer]}
"""The `event_hooks` of a client whose requests are to be kept."""


def start_test() -> None:
    """Forget the requests of the previous test."""
    global current  # noqa: PLW0603 (pytest runs one test at a time)
    logging.getLogger().removeHandler(current)
    current = Exchanges()
    logging.getLogger().addHandler(current)
