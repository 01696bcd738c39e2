"""Measure the memory and the descriptors of processes over time."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median


def process_tree(pid: int) -> set[int]:
    """Return a process and all its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, new = set[int](), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found


def memory(pids: Collection[int]) -> float:
    """Return the sum of the resident memory of these processes, in kB.

    Shared memory counts fully for each process: proportional shares would depend on what else runs on the machine.
    """
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def descriptors(pids: Collection[int]) -> float:
    """Return the number of files and sockets that these processes have open."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


@dataclass
class Series:
    """Values that are measured over minutes."""

    name: str
    unit: str
    minutes: list[float] = field(default_factory=list, repr=False)
    values: list[float] = field(default_factory=list, repr=False)

    def add(self, minute: float, value: float) -> None:
        self.minutes.append(minute)
        self.values.append(value)

    def since(self, minute: float) -> "Series":
        """Return the values that were measured from this minute on."""
        kept = [pair for pair in zip(self.minutes, self.values, strict=True) if pair[0] >= minute]
        return Series(self.name, self.unit, [at for at, _ in kept], [value for _, value in kept])

    @property
    def slope(self) -> float:
        """Return the slope per minute, by least squares."""
        return linear_regression(self.minutes, self.values).slope

    @property
    def growth(self) -> float:
        """Return by how much the median of the last third exceeds that of the first third."""
        third = len(self.values) // 3
        return median(self.values[-third:]) - median(self.values[:third])

    def __str__(self) -> str:
        lowest, highest = min(self.values), max(self.values)
        return (
            f"{self.name}: {lowest:,.0f} to {highest:,.0f} {self.unit}, slope {self.slope:+,.1f} {self.unit} a minute"
        )
