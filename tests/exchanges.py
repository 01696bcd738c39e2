"""Keep what tests send to the service, what it answers and what it logs meanwhile, to print it when a test fails."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from httpx2 import Request, Response

from core.logs import TextFormatter

KEPT = 3
"""How many requests, the last ones of a test, are printed."""

MAX_CHARACTERS = 4_000
"""How much of a body is printed."""


class Exchanges(logging.Handler):
    """The last requests of a test, each with its answer and the lines logged from its start to its end."""

    def __init__(self) -> None:
        super().__init__()
        # Not as the handler's own formatter, by which the service knows the handlers that it has to replace.
        self._render_record = TextFormatter().format
        self._requests: deque[Request] = deque(maxlen=KEPT)
        self._answers: dict[int, Response] = {}
        self._lines: dict[int, list[str]] = {}

    @property
    def hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """What to set as `event_hooks` of a client."""
        return {"request": [self._begin], "response": [self._answer]}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of the log for the request that is under way, or was the last one."""
        if self._requests:
            self._lines.setdefault(id(self._requests[-1]), []).append(self._render_record(record))

    def render(self) -> str:
        """Return the text to print for a failed test."""
        return "\n\n".join("\n".join(self._render(request)) for request in self._requests)

    def _begin(self, request: Request) -> None:
        self._requests.append(request)

    def _answer(self, response: Response) -> None:
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
        yield from (f"log: {line}" for line in self._lines.get(id(request), []))


def _body(message: Request | Response) -> str:
    try:
        text = message.content.decode(errors="replace")
    except Exception:  # noqa: BLE001 (a stream that was not read; each client library has an error of its own for it)
        return "(a stream)"
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}… ({len(text)} characters)"
