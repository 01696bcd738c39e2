"""Logs, on standard error: one JSON object a line for programs, or a line to read for people."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal

Format = Literal["json", "text"]

# What could begin a line of its own, or tell the terminal to do something.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_encode = json.JSONEncoder(default=str).encode


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, what `extra={"fields": …}` adds, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line)


class TextFormatter(logging.Formatter):
    """The same, to be read: `15:07:03.955 INFO access: request method=GET status=200 …`, in local time; a traceback
    follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="milliseconds")[11:23]
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items() if value is not None)
        line = _plain(f"{time} {record.levelname} {record.name}: {record.getMessage()}{fields}")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields


def _plain(text: str) -> str:
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


# What no line tells need not be found out for each: a twentieth of a small request.
for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
    setattr(logging, name, False)

_FORMATTERS: dict[Format, type[logging.Formatter]] = {"json": JsonFormatter, "text": TextFormatter}


def configure_logs(level: str, kind: Format | None = None) -> None:
    """Send every log line through one handler, uvicorn's too, whose access log ours replaces. Without a `kind`, it is
    text on a terminal, and JSON elsewhere."""
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, tuple(_FORMATTERS.values()))]:
        root.removeHandler(old)
    handler = logging.StreamHandler()
    handler.setFormatter(_FORMATTERS[kind or ("text" if sys.stderr.isatty() else "json")]())
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
