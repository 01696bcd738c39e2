"""Messages for operators that explain why mongod failed, and what to do about it."""

import json
import re
import signal
from typing import Any

_ELSE_URL = "or set MONGODB_URL to a running server."

# The first matching pattern wins. `{0}` is the text that it captured.
_CAUSES: list[tuple[str, str]] = [
    (
        r"shared librar.*libcurl\.so\.4",
        (
            "mongod needs the library libcurl.so.4. Install it (`apt-get install libcurl4`), or install all of "
            f"requirements.txt, whose pycurl package contains a copy, {_ELSE_URL}"
        ),
    ),
    (
        r"(?:loading shared libraries|Library not loaded): ([^:\s]+)",
        (
            f"mongod needs the library {{0}}, which this system lacks. Install it, or set MONGOD_BIN to a mongod built "
            f"for this system, {_ELSE_URL}"
        ),
    ),
    (
        r"version `(GLIBC[^']*)' not found",
        (
            "mongod needs a newer C library ({0}) than this system has. Use Debian 12, Ubuntu 22.04 or later, or set "
            f"MONGOD_BIN to a mongod built for this system, {_ELSE_URL}"
        ),
    ),
    (
        r"No space left on device|Disk quota exceeded",
        "mongod has no space left on the disk. Free some space, or set DATA_DIR to a folder on another disk.",
    ),
    (
        r"DBPathInUse",
        "Another mongod, started by hand, uses the data files. Stop it, or set MONGODB_URL to its URL.",
    ),
    (
        r"featureCompatibilityVersion|Wrong mongod version|unsupported WiredTiger file version",
        (
            "The data files were created by another major version of MongoDB. Set MONGOD_BIN to a mongod of that "
            "version, or DATA_DIR to another folder."
        ),
    ),
    (
        r"Failed to (?:unlink socket file|set up listener|chmod socket file)",
        (
            "mongod cannot create its socket. Set DATA_DIR to a folder that belongs to the user who runs this service, "
            "on a local disk that supports Unix sockets."
        ),
    ),
    (
        r"Permission denied|Operation not permitted|[Rr]ead-only",
        (
            "mongod may not write to its data folder. Change the folder's owner to the user who runs this service, or "
            "set DATA_DIR to another folder."
        ),
    ),
    (
        r"with --repair|WT_PANIC|WT_TRY_SALVAGE",
        (
            "The data files are damaged. Copy the folder, then restore a backup, or set DATA_DIR to another folder to "
            "start with an empty database."
        ),
    ),
]

_SIGNALS = {
    signal.SIGILL: "mongod uses instructions that this CPU does not have (AVX on x86-64, ARMv8.2-A on ARM). Run it "
    f"on another machine, {_ELSE_URL}",
    signal.SIGKILL: "mongod was killed, perhaps because the system ran out of memory. Free some memory and try again.",
}


def explain(code: int, output: str) -> str:
    """Return one line for an operator. `code` is the exit status, negative for a signal; `output` is the log's end."""
    errors = "\n".join(filter(_is_error, output.splitlines()))
    for pattern, text in _CAUSES:
        match = re.search(pattern, errors)
        if match is not None:
            return text.format(*match.groups())
    if -code in _SIGNALS:
        return _SIGNALS[signal.Signals(-code)]
    return f"mongod exited with status {code}: {_last_error(errors or output)[:500]}"


def was_killed(code: int) -> bool:
    """Return whether mongod was ended by a signal from outside, so that a retry may succeed."""
    return -code in (signal.SIGKILL, signal.SIGTERM)


def _is_error(line: str) -> bool:
    """Return whether a line reports an error: a JSON log entry of mongod with severity E or F, or any other text, which
    comes from the system's loader. Other entries are ignored, because they may mention any of the causes."""
    entry = _parsed(line)
    return entry is None or entry.get("s") in ("E", "F")


def _last_error(errors: str) -> str:
    """Return the last error that has details, or else the last line."""
    entries = [entry for entry in map(_parsed, errors.splitlines()) if entry]
    details = [f"{entry['msg']}: {entry['attr']['error']}" for entry in entries if "error" in entry.get("attr", ())]
    return (details or errors.splitlines() or ["no output"])[-1]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
