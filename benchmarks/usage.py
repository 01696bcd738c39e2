"""CPU time and memory of processes, read from Linux's /proc (proc(5))."""

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants, including those that have ended and were waited for.

    The resolution is a hundredth of a second, as in Linux. Raise `KeyError` if there is no such process.
    """
    # utime, stime, cutime, cstime
    return sum(int(ticks) for _, fields in _family(pid) for ticks in fields[11:15]) / TICKS


def resident(pid: int) -> int:
    """Return the resident set size (RSS) of a process in bytes."""
    (_, fields), *_ = _family(pid)
    return int(fields[21]) * PAGE


def resident_in_all(pid: int) -> int:
    """Return the resident set size of a process and of its descendants that run Python, so not of the database."""
    return sum(int(fields[21]) for name, fields in _family(pid) if name.startswith("python")) * PAGE


def _family(pid: int) -> list[tuple[str, list[str]]]:
    """Return the name of a process and of each descendant, with the fields that follow it in `/proc/PID/stat`."""
    found, children = {}, defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended since it was listed
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            found[int(folder.name)] = name, rest.split()
            children[int(rest.split()[1])].append(int(folder.name))
    family = [pid]
    for member in family:  # the list grows during the iteration
        family += children[member]
    return [found[member] for member in family]
