"""What processes use of the processor and of memory, from Linux's /proc (proc(5))."""

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What a process, its children and theirs have used so far, those included that have ended and were waited for.
    In steps of a hundredth of a second, as Linux counts. Raises `KeyError` if there is no such process."""
    used, children = {}, defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            used[int(folder.name)] = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
            children[int(fields[1])].append(int(folder.name))
    family = [pid]
    for member in family:  # which grows meanwhile
        family += children[member]
    return sum(used[member] for member in family) / TICKS


def resident(pid: int) -> int:
    """The memory that a process holds (RSS), in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
