"""Query parameters of statistics, the chart and rankings."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from core.api import PageQuery, PrintableLine
from modules.analytics.ranking_measure import check_measure
from modules.students import DocumentedMark, MarkSettings, Subject, subject_pattern
from modules.transfers import TableQuery

MAX_CHOSEN = 100

Branches = Annotated[
    list[PrintableLine],
    Field(
        max_length=MAX_CHOSEN,
        description="Only students in this branch. Repeatable.",
        examples=[["Physics"]],
    ),
]


def _check_pass_mark(mark: float | None) -> float | None:
    highest = MarkSettings.current().max
    if mark is not None and mark > highest:
        raise PydanticCustomError("mark_range", "A mark lies between 0 and {highest}.", {"highest": f"{highest:g}"})
    return mark


PassMark = Annotated[
    float | None,
    Field(
        ge=0,
        allow_inf_nan=False,
        description="The lowest mark that passes. The default is 40% of `MARKS_MAX`. In a subject with a maximum of "
        "its own, the same share of that passes.",
    ),
    AfterValidator(_check_pass_mark),
    DocumentedMark(),
]


class ChartQuery(BaseModel):
    """Query parameters of the chart."""

    model_config = ConfigDict(extra="forbid")

    branch: Branches = []
    subject: Annotated[list[Subject], Field(max_length=MAX_CHOSEN, description="Only this subject. Repeatable.")] = []


class ReportCardQuery(BaseModel):
    """Query parameters of a report card."""

    model_config = ConfigDict(extra="forbid")

    branch: Annotated[
        PrintableLine | None,
        Field(
            description="The student's branch: also return the ranks, percentiles and means among its students.",
            examples=["Computer Science"],
        ),
    ] = None


class StatisticsQuery(ChartQuery, TableQuery):
    """Query parameters of the statistics."""

    by: Annotated[
        Literal["branch"] | None, Field(description="With `branch`, also return the figures of each branch.")
    ] = None
    pass_mark: PassMark = None


class RankingsQuery(PageQuery, TableQuery):
    """Query parameters of a ranking."""

    by: Annotated[
        str,
        StringConstraints(max_length=100),
        AfterValidator(check_measure),
        Field(
            description="What to rank by: `total`, `average` or a subject. `marks.SUBJECT` always means a subject: "
            "`marks.total` ranks by the marks in a subject named total.",
            examples=["total", "math"],
            json_schema_extra={"pattern": rf"^(marks\.)?{subject_pattern()}$"},
        ),
    ] = "total"
    branch: Branches = []
