"""Logging to standard error: one JSON object per line for programs, or readable text for people."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal

Format = Literal["json", "text"]

# Characters that could start a new line, or control the terminal.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_encode = json.JSONEncoder(default=str).encode


class JsonFormatter(logging.Formatter):
    """A formatter that writes one line of JSON: time, level, logger, message, `extra={"fields": …}`, traceback."""

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
    """A formatter that writes the same data as text, in local time; a traceback follows on separate lines.

    Example: `15:07:03.955 INFO access: request method=GET status=200 …`.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="milliseconds")[11:23]
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items() if value is not None)
        line = _escape(f"{time} {record.levelname} {record.name}: {record.getMessage()}{fields}")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields


def _escape(text: str) -> str:
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


# No formatter uses these values. Collecting them for each record takes a twentieth of the time of a small request.
for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
    setattr(logging, name, False)

_FORMATTERS: dict[Format, type[logging.Formatter]] = {"json": JsonFormatter, "text": TextFormatter}


def configure_logs(level: str, kind: Format | None = None) -> None:
    """Send all logs, including uvicorn's, to one handler. The service's access log replaces that of uvicorn.

    Without a `kind`, the format is text on a terminal and JSON elsewhere.
    """
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
