"""Rankings and statistics as tables, for downloads."""

from collections.abc import AsyncIterator, Iterator, Sequence

from modules.analytics.rankings import Ranking, Row
from modules.analytics.schemas import Figures, StatisticsRead, SubjectStatistics
from modules.analytics.standing import rank_after
from modules.transfers import BRANCH, NAME, ROLL_NO, Cell, Column, Table, one_portion

_RANKING_COLUMNS = (Column("rank"), ROLL_NO, NAME, BRANCH, Column("value", 12))
_OUT_OF = Column("out_of")

_SUBJECT = Column("subject", 22, is_text=True)
# A histogram is no single figure.
_FIGURES = [name for name in Figures.model_fields if name != "histogram"]


def ranking_columns(ranking: Ranking) -> Sequence[Column]:
    """Return the columns of a ranking, with the highest possible value where it must be told."""
    return (*_RANKING_COLUMNS, _OUT_OF) if ranking.tells_maximum else _RANKING_COLUMNS


def ranking_table(ranking: Ranking) -> Table[tuple[int, Row]]:
    """Return the whole ranking as a table."""

    def cells(ranked: tuple[int, Row]) -> list[Cell]:
        rank, row = ranked
        value = ranking.measure.shown(ranking.measure.stored(row))
        told = [ranking.maximum(row)] if ranking.tells_maximum else []
        return [rank, row["roll_no"], row["name"], row["branch"], value, *told]

    return Table("rankings", ranking_columns(ranking), _ranked(ranking), cells)


async def _ranked(ranking: Ranking) -> AsyncIterator[list[tuple[int, Row]]]:
    """Yield the students in pages with their ranks."""
    before, rank, value = 0, 0, None
    async for rows in ranking.walk():
        page = []
        for row in rows:
            if ranking.measure.stored(row) != value:
                rank, value = rank_after(before), ranking.measure.stored(row)
            before += 1
            page.append((rank, row))
        yield page


def statistics_table(statistics: StatisticsRead, *, by_branch: bool) -> Table[Sequence[Cell]]:
    """Return the figures of each subject as a table, or those of each subject in each branch."""
    rows = list(_by_branch(statistics) if by_branch else _by_subject(statistics))
    columns = [_SUBJECT, *([BRANCH] if by_branch else []), *(Column(name) for name in _FIGURES)]
    if any(map(_maximum, statistics.subjects)):
        columns.append(_OUT_OF)
    return Table("statistics", columns, one_portion(rows), list)


def _by_subject(statistics: StatisticsRead) -> Iterator[list[Cell]]:
    for subject in statistics.subjects:
        yield [subject.subject, *_figures(subject), *_maximum(subject)]


def _by_branch(statistics: StatisticsRead) -> Iterator[list[Cell]]:
    for subject in statistics.subjects:
        for branch in subject.branches or ():
            yield [subject.subject, branch.branch, *_figures(branch), *_maximum(subject)]


def _figures(figures: Figures) -> list[Cell]:
    return [getattr(figures, name) for name in _FIGURES]


def _maximum(subject: SubjectStatistics) -> list[Cell]:
    """Return the cell of the subject's maximum; nothing if that is not told of any subject."""
    return [] if subject.out_of is None else [subject.out_of]
