"""What a mongod that would not run died of, in words that say what to do about it."""

import json
import re
import signal
from typing import Any

_ELSE_URL = "or set MONGODB_URL to a running server."

# The first that matches wins. `{0}` is what the pattern captured.
_CAUSES: list[tuple[str, str]] = [
    (
        r"shared librar.*libcurl\.so\.4",
        (
            "mongod needs the library libcurl.so.4. Install it (`apt-get install libcurl4`), or install all of "
            f"requirements.txt, whose pycurl brings a copy, {_ELSE_URL}"
        ),
    ),
    (
        r"(?:loading shared libraries|Library not loaded): ([^:\s]+)",
        (
            f"mongod needs the library {{0}}, which this system lacks. Install it, or set MONGOD_BIN to a mongod that "
            f"is made for this system, {_ELSE_URL}"
        ),
    ),
    (
        r"version `(GLIBC[^']*)' not found",
        (
            "mongod needs a newer C library ({0}) than this system has. Use Debian 12, Ubuntu 22.04 or later, or set "
            f"MONGOD_BIN to a mongod that is made for this system, {_ELSE_URL}"
        ),
    ),
    (
        r"No space left on device|Disk quota exceeded",
        "mongod has no space left on the disk. Free some, or set DATA_DIR to a folder on a disk that has some.",
    ),
    (
        r"DBPathInUse",
        "Another mongod, started by hand, runs on the data files. Stop it, or set MONGODB_URL to it.",
    ),
    (
        r"featureCompatibilityVersion|Wrong mongod version|unsupported WiredTiger file version",
        (
            "The data files were made by another major version of MongoDB. Set MONGOD_BIN to a mongod of that version, "
            "or DATA_DIR to another folder."
        ),
    ),
    (
        r"Failed to (?:unlink socket file|set up listener|chmod socket file)",
        (
            "mongod cannot make its socket. The folder must be on a local disk that can hold Unix sockets, and belong "
            "to the user who runs this: set DATA_DIR to one that is."
        ),
    ),
    (
        r"Permission denied|Operation not permitted|[Rr]ead-only",
        (
            "mongod may not write its data folder. Give the folder to the user who runs this, or set DATA_DIR to "
            "another."
        ),
    ),
    (
        r"with --repair|WT_PANIC|WT_TRY_SALVAGE",
        (
            "The data files are damaged. Keep a copy of the folder, then restore a backup, or set DATA_DIR to "
            "another folder to start with an empty database."
        ),
    ),
]

_SIGNALS = {
    signal.SIGILL: "mongod uses instructions that this CPU does not have (AVX on x86-64, ARMv8.2-A on ARM). Run it "
    f"on another machine, {_ELSE_URL}",
    signal.SIGKILL: "mongod was killed, perhaps because the system ran out of memory. Free some and start again.",
}


def explain(code: int, output: str) -> str:
    """One line for an operator. `code` is the exit status, negative for a signal; `output` the last it said."""
    complaints = "\n".join(filter(_is_complaint, output.splitlines()))
    for pattern, text in _CAUSES:
        match = re.search(pattern, complaints)
        if match is not None:
            return text.format(*match.groups())
    if -code in _SIGNALS:
        return _SIGNALS[signal.Signals(-code)]
    return f"mongod stopped with status {code}: {_last_words(complaints or output)[:500]}"


def was_killed(code: int) -> bool:
    """Whether someone ended it: no fault of its own, so that another try may go better."""
    return -code in (signal.SIGKILL, signal.SIGTERM)


def _is_complaint(line: str) -> bool:
    """mongod's log is JSON; what comes from the system's loader is not. Mere information may name any cause."""
    entry = _parsed(line)
    return entry is None or entry.get("s") in ("E", "F")


def _last_words(complaints: str) -> str:
    """The last error that says more than that there was one, or else the last line."""
    entries = [entry for entry in map(_parsed, complaints.splitlines()) if entry]
    details = [f"{entry['msg']}: {entry['attr']['error']}" for entry in entries if "error" in entry.get("attr", ())]
    return (details or complaints.splitlines() or ["it said nothing"])[-1]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
