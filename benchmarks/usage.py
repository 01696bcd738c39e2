"""CPU time and memory of processes, read from Linux's /proc (proc(5))."""

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants, including those that have ended and were waited for.

    The resolution is a hundredth of a second, as in Linux. Raise `KeyError` if there is no such process.
    """
    used, children = {}, defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended since it was listed
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            used[int(folder.name)] = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
            children[int(fields[1])].append(int(folder.name))
    family = [pid]
    for member in family:  # the list grows during the iteration
        family += children[member]
    return sum(used[member] for member in family) / TICKS


def resident(pid: int) -> int:
    """Return the resident set size (RSS) of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
