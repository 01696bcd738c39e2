"""Layout of the statistics chart: a histogram per subject and, below it on the same scale, box plots of branches.

The colours are from the palette by Okabe and Ito, which people with colour blindness can distinguish; no information
is conveyed by colour alone. The style sheet has no CSS variables, because many SVG viewers do not support them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from modules.analytics.chart.svg import cut_text, element, fitted, lines, number, plain, text
from modules.analytics.distribution import Distribution
from modules.analytics.grading import BINS, bin_limits, highest_mark

WIDTH, MARGIN = 780, 24
LEFT, RIGHT = 212, 692  # x coordinates of the scale
HEADING, BARS, PAD, SCALE, ROW, GAP, LINE = 44, 120, 5, 44, 24, 32, 17

STYLE = """
text{font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-size:12px;fill:#1b1b1b}
.page{fill:#fff}.h1{font-size:20px;font-weight:600}.h2{font-size:16px;font-weight:600}.soft{fill:#595959}
.axis{stroke:#595959}.grid{stroke:#dcdcdc}.bar{fill:#0072b2}
.whisker{stroke:#1b1b1b;stroke-width:1.25}.box{fill:#e69f00;stroke:#1b1b1b;stroke-width:1.25}
.median{stroke:#1b1b1b;stroke-width:3}.mean{fill:#fff;stroke:#1b1b1b;stroke-width:1.25}
@media (prefers-color-scheme:dark){text{fill:#f0f0f0}.page{fill:#16181c}.soft{fill:#b4b8be}.axis{stroke:#b4b8be}
.grid{stroke:#34383e}.bar{fill:#56b4e9}.whisker{stroke:#f0f0f0}.box{fill:#d55e00;stroke:#f0f0f0}.median{stroke:#f0f0f0}
.mean{fill:#16181c;stroke:#f0f0f0}}
"""

LEGEND = (
    "Bars: the number of marks in a range. Boxes: the middle half of a branch's marks, with the median as a thick line "
    "and the mean as a dot; the thin line extends from the lowest to the highest mark. n: students with a mark."
)


@dataclass(frozen=True, slots=True)
class Panel:
    """The data of one subject: the distribution of all its marks, and of the marks of some branches. `out_of` is the
    maximum of the subject, if it has one of its own: the marks are then converted to the scale of the others."""

    subject: str
    marks: Distribution
    branches: Sequence[tuple[str, Distribution]]
    out_of: float | None = None

    @property
    def scale_name(self) -> str:
        """The name of the scale below the panel."""
        converted = "" if self.out_of is None else f" (of {number(self.out_of)}, converted)"
        return f"Mark in {fitted(self.subject, 300, 12)}{converted}"

    @property
    def height(self) -> float:
        """The height of the panel in pixels."""
        return HEADING + BARS + PAD + SCALE + ROW * len(self.branches) + GAP

    def described(self) -> str:
        """Return the description of the panel for screen readers."""
        parts = [(self.subject, self.marks), *self.branches]
        return " ".join(f"{name}: {_described(marks)}." for name, marks in parts)


def draw(panels: Sequence[Panel], heading: str, notes: Sequence[str]) -> str:
    """Return the chart as SVG. The notes are sentences below the heading."""
    max_width = WIDTH - 2 * MARGIN
    sentences = [*([LEGEND] if panels else []), *notes]
    small = [line for sentence in sentences for line in lines(sentence.split(" "), max_width, 12)]
    parts = [cut_text(MARGIN, MARGIN + 18, heading, "h1", max_width)]
    y: float = MARGIN + 44
    for line in small:
        parts.append(text(MARGIN, y, line, "soft"))
        y += LINE
    y += 14
    for panel in panels:
        parts += _panel(panel, y)
        y += panel.height
    described = " ".join([*(panel.described() for panel in panels), *notes])
    return _document(heading, described, y, parts)


def _document(heading: str, described: str, height: float, parts: Sequence[str]) -> str:
    named = [element("title", plain(heading), id="title"), element("desc", plain(described), id="desc")]
    page = element("rect", width=WIDTH, height=height, class_="page")
    return element(
        "svg",
        "\n".join(["", *named, element("style", STYLE), page, *parts, ""]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_labelledby="title desc",
    )


def _described(marks: Distribution) -> str:
    if marks.mean is None:
        return "no marks"
    names = ("lowest", "lower quartile", "median", "upper quartile", "highest", "mean")
    values = (marks.lowest, *(marks.quartile(which) for which in (1, 2, 3)), marks.highest, marks.mean)
    labeled = (f"{name} {number(value)}" for name, value in zip(names, values, strict=True) if value is not None)
    return f"n {number(marks.n)}, " + ", ".join(labeled)


def _in_short(marks: Distribution) -> str:
    names = ("mean", "standard deviation", "median")
    values = (marks.mean, marks.standard_deviation, marks.quartile(2))
    labeled = (f"{name} {number(value)}" for name, value in zip(names, values, strict=True) if value is not None)
    return ", ".join([f"{marks.n:,} marks" if marks.n != 1 else "1 mark", *labeled])


def _panel(panel: Panel, y: float) -> Iterator[str]:
    yield cut_text(MARGIN, y + 16, panel.subject, "h2", WIDTH - 2 * MARGIN)
    yield text(MARGIN, y + 35, _in_short(panel.marks), "soft")
    bars, base = y + HEADING, y + HEADING + BARS
    rows = base + (PAD if panel.branches else 0)
    end = rows + ROW * len(panel.branches)
    x = _scale()
    yield from _grid(x, bars, end)
    yield from _histogram(panel.marks, x, base)
    yield element("line", x1=LEFT, x2=RIGHT, y1=base, y2=base, class_="axis")
    for row, (branch, marks) in enumerate(panel.branches):
        yield from _branch(branch, marks, x, rows + ROW * row + ROW / 2)
    if panel.branches:
        yield text(MARGIN, base - 4, "Branch", "soft")
        yield text(WIDTH - MARGIN, base - 4, "n", "soft", anchor="end")
        yield element("line", x1=LEFT, x2=RIGHT, y1=end, y2=end, class_="axis")
    yield text((LEFT + RIGHT) / 2, end + 36, panel.scale_name, "soft", anchor="middle")


def _scale() -> Callable[[float], float]:
    """Return a function from a mark to its x coordinate. Marks above the current maximum are drawn at the end."""
    highest = float(highest_mark())
    return lambda mark: LEFT + (RIGHT - LEFT) * min(mark / highest, 1)


def _grid(x: Callable[[float], float], top: float, end: float) -> Iterator[str]:
    for limit in bin_limits():
        yield element("line", x1=x(limit), x2=x(limit), y1=top, y2=end, class_="grid")
        yield text(x(limit), end + 17, number(limit), "soft", anchor="middle")


def _histogram(marks: Distribution, x: Callable[[float], float], base: float) -> Iterator[str]:
    heights = marks.histogram(highest_mark(), BINS)
    for (low, high), count in zip(pairwise(bin_limits()), heights, strict=True):
        tall = (BARS - 18) * count / max(heights) if count else 0
        left, right = x(low) + 1.5, x(high) - 1.5
        if count:
            yield element("rect", x=left, y=base - tall, width=right - left, height=tall, class_="bar")
            yield text((left + right) / 2, base - tall - 5, f"{count:,}", "count", anchor="middle")
    yield text(LEFT - 14, base - BARS + 14, "Students", "soft", anchor="end")


def _branch(branch: str, marks: Distribution, x: Callable[[float], float], y: float) -> Iterator[str]:
    yield cut_text(MARGIN, y + 4, branch, "name", LEFT - MARGIN - 16)
    yield text(WIDTH - MARGIN, y + 4, f"{marks.n:,}", "count", anchor="end")
    low, q1, middle, q3, high = marks.lowest, marks.quartile(1), marks.quartile(2), marks.quartile(3), marks.highest
    mean = marks.mean
    if low is None or high is None or q1 is None or q3 is None or middle is None or mean is None:
        yield text(LEFT + 8, y + 4, "no marks", "soft")
        return
    tooltip = element("title", plain(f"{branch}: {_described(marks)}"))
    box = [
        element("line", x1=x(low), x2=x(high), y1=y, y2=y, class_="whisker"),
        *(element("line", x1=x(end), x2=x(end), y1=y - 4, y2=y + 4, class_="whisker") for end in (low, high)),
        element("rect", x=x(q1), y=y - 7, width=max(x(q3) - x(q1), 1), height=14, class_="box"),
        element("line", x1=x(middle), x2=x(middle), y1=y - 7, y2=y + 7, class_="median"),
        element("circle", cx=x(mean), cy=y, r=3, class_="mean"),
    ]
    yield element("g", "".join([tooltip, *box]))
