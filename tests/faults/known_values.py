"""The values that a service has returned so far. Requests that contain them get further than requests with guesses."""

import json
import re
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.faults.wire import Answer

LATEST = 20


class KnownValues:
    """The latest values by name: members of responses, parameters of links, parts of locations, and ETags."""

    def __init__(self, paths: Collection[str], excluded: str) -> None:
        """Read locations by the path templates `paths`. Do not remember texts that contain `excluded`."""
        self._patterns = [re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))) for path in paths]
        self._excluded = excluded
        self._names: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=LATEST))
        self._any: deque[str] = deque(maxlen=4 * LATEST)

    def named(self, name: str) -> list[Any]:
        """Return the values with this name."""
        return list(self._names[name])

    def texts(self) -> list[str]:
        """Return the latest texts, with any name."""
        return list(self._any)

    def learn(self, answer: Answer) -> None:
        for name, value in _named_values(answer):
            if not (isinstance(value, str) and self._excluded in value.lower()):
                self.remember(name, value)
        for pattern in self._patterns:
            if found := pattern.fullmatch(urlsplit(answer.headers.get("location", "")).path):
                for name, value in found.groupdict().items():
                    self.remember(name, value)

    def remember(self, name: str, value: Any) -> None:
        if value not in self._names[name]:
            self._names[name].append(value)
        if isinstance(value, str) and value not in self._any:
            self._any.append(value)


def _named_values(answer: Answer) -> Iterator[tuple[str, Any]]:
    if answer.status < 300 and "json" in answer.headers.get("content-type", "") and len(answer.body) < 100_000:
        for line in answer.body.splitlines():
            yield from _members(json.loads(line))
    for link in re.findall(r"<([^>]*)>", answer.headers.get("link", "")):
        yield from parse_qsl(urlsplit(link).query)
    if tag := answer.headers.get("etag"):
        yield from (("If-Match", tag), ("If-None-Match", tag))


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((name, one) for name, one in value.items() if isinstance(one, str | int) and one != "")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _members(one)
