"""Rankings and statistics as tables, for downloads."""

from collections.abc import AsyncIterator, Iterator, Sequence

from modules.analytics.rankings import Ranking, Row
from modules.analytics.schemas import Figures, StatisticsRead
from modules.transfers import BRANCH, NAME, ROLL_NO, Cell, Column, Table, one_portion

RANKING_COLUMNS = (Column("rank"), ROLL_NO, NAME, BRANCH, Column("value", 12))

_SUBJECT = Column("subject", 22, is_text=True)
# A histogram is no single figure.
_FIGURES = [name for name in Figures.model_fields if name != "histogram"]


def ranking_table(ranking: Ranking) -> Table[tuple[int, Row]]:
    """Return the whole ranking as a table."""

    def cells(ranked: tuple[int, Row]) -> list[Cell]:
        rank, row = ranked
        value = ranking.measure.shown(ranking.measure.stored(row))
        return [rank, row["roll_no"], row["name"], row["branch"], value]

    return Table("rankings", RANKING_COLUMNS, _ranked(ranking), cells)


async def _ranked(ranking: Ranking) -> AsyncIterator[list[tuple[int, Row]]]:
    """Yield the students in pages with their ranks: one more than the number of students with a higher value."""
    before, rank, value = 0, 0, None
    async for rows in ranking.walk():
        page = []
        for row in rows:
            if ranking.measure.stored(row) != value:
                rank, value = before + 1, ranking.measure.stored(row)
            before += 1
            page.append((rank, row))
        yield page


def statistics_table(statistics: StatisticsRead, *, by_branch: bool) -> Table[Sequence[Cell]]:
    """Return the figures of each subject as a table, or those of each subject in each branch."""
    rows = list(_by_branch(statistics) if by_branch else _by_subject(statistics))
    columns = [_SUBJECT, *([BRANCH] if by_branch else []), *(Column(name) for name in _FIGURES)]
    return Table("statistics", columns, one_portion(rows), list)


def _by_subject(statistics: StatisticsRead) -> Iterator[list[Cell]]:
    for subject in statistics.subjects:
        yield [subject.subject, *_figures(subject)]


def _by_branch(statistics: StatisticsRead) -> Iterator[list[Cell]]:
    for subject in statistics.subjects:
        for branch in subject.branches or ():
            yield [subject.subject, branch.branch, *_figures(branch)]


def _figures(figures: Figures) -> list[Cell]:
    return [getattr(figures, name) for name in _FIGURES]
