"""The report of `benchmarks.lists`."""

from dataclasses import dataclass, field
from statistics import median

from benchmarks.addresses import SORTS

Times = dict[str, dict[int, list[float]]]
"""Milliseconds by scenario and size."""


@dataclass(frozen=True)
class Examined:
    """The work of the database for one request, according to its profiler."""

    commands: int
    keys: int
    documents: int
    returned: int
    plans: list[str]


@dataclass
class Figures:
    """The reported figures. All times are in milliseconds."""

    sizes: tuple[int, ...]
    medians: dict[str, dict[int, float]] = field(default_factory=dict)
    """Medians by scenario and size."""
    times: Times = field(default_factory=dict)
    examined: dict[str, Examined] = field(default_factory=dict)
    """The work of the database by scenario, at the largest size."""
    failed: dict[str, str] = field(default_factory=dict)
    """Errors by scenario. A run with errors fails."""

    def add(self, times: Times, failed: dict[str, str], examined: dict[str, Examined]) -> None:
        """Add the figures of further scenarios."""
        self.times.update(times)
        self.medians.update({name: {size: median(ms) for size, ms in each.items()} for name, each in times.items()})
        self.failed.update(failed)
        self.examined.update(examined)


def table(figures: Figures) -> str:
    """Return the figures as a Markdown table."""
    small, *larger = figures.sizes
    large = figures.sizes[-1]
    ratios = [f"{size:,} / {small:,}" for size in larger]
    rows = [f"| median, ms | {' | '.join(f'{size:,}' for size in figures.sizes)} | {' | '.join(ratios)} |"]
    rows += ["|---|" + "---:|" * (len(figures.sizes) + len(larger))]
    for name, medians in figures.medians.items():
        cells = [cell(medians.get(size)) for size in figures.sizes]
        cells += [ratio_of(medians.get(size), medians.get(small)) for size in larger]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rows += ["", f"| {large:,} students | page 100 / page 1 | last page / page 1 |", "|---|---:|---:|"]
    for sort in SORTS:
        first, hundredth, last = (
            figures.medians.get(f"sort={sort}, {page}", {}).get(large) for page in ("page 1", "page 100", "last page")
        )
        rows.append(f"| sort={sort} | {ratio_of(hundredth, first)} | {ratio_of(last, first)} |")
    rows += [
        "",
        f"| {large:,} students: examined | commands | keys | documents | returned |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, seen in figures.examined.items():
        rows.append(f"| {name} | {seen.commands} | {seen.keys:,} | {seen.documents:,} | {seen.returned:,} |")
    return "\n".join(rows)


def cell(value: float | None) -> str:
    """Format milliseconds, or return a dash for None."""
    return "-" if value is None else f"{value:.1f}"


def ratio_of(value: float | None, to: float | None) -> str:
    """Format the ratio of two figures, or return a dash if one is missing."""
    return f"{value / to:.2f}" if value and to else "-"
