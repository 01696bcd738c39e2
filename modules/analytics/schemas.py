"""What clients receive of marks taken together."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

_FIGURES: dict[str, JsonValue] = {
    "n": 1703,
    "missing": 202,
    "mean": 46.365238,
    "standard_deviation": 13.371528,
    "min": 0.6,
    "q1": 37,
    "median": 46,
    "q3": 55,
    "max": 90,
    "passed": 1178,
    "pass_rate": 0.691721,
    "histogram": [6, 31, 140, 348, 519, 416, 193, 46, 3, 1],
}


def _example(example: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class Figures(BaseModel):
    """The figures of some marks. Quartiles follow the linear method (R's type 7, numpy's default); without marks what
    cannot be told is null."""

    n: Annotated[int, Field(description="How many students have a mark.")]
    missing: Annotated[int, Field(description="How many have none.")]
    mean: float | None
    standard_deviation: Annotated[float | None, Field(description="Of a sample (n - 1); null below two marks.")]
    min: float | None
    q1: float | None
    median: float | None
    q3: float | None
    max: float | None
    passed: Annotated[int, Field(description="How many marks are `pass_mark` or more.")]
    pass_rate: Annotated[float | None, Field(description="`passed` by `n`, from 0 to 1.")]
    histogram: Annotated[
        list[int],
        Field(description="How many marks lie between each two neighbours of `bins`: from the lower one up to, but "
              "without, the upper one. The last bin also holds the highest mark."),
    ]  # fmt: skip


class BranchName(BaseModel):
    """A branch, in front of its figures."""

    branch: str


class BranchStatistics(Figures, BranchName):
    """The figures of one subject in one branch."""

    model_config = _example({"branch": "Physics", **_FIGURES})


class SubjectName(BaseModel):
    """A subject, in front of its figures."""

    subject: str


class SubjectStatistics(Figures, SubjectName):
    """The figures of one subject."""

    model_config = _example({"subject": "math", **_FIGURES, "branches": None})

    branches: Annotated[
        list[BranchStatistics] | None, Field(description="The same of each branch, with `by=branch`; else null.")
    ] = None


class StatisticsRead(BaseModel):
    """The figures of all subjects that someone has a mark in, or of those that were asked for, in order of name."""

    model_config = _example(
        {
            "students": 1905,
            "pass_mark": 40,
            "bins": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
            "subjects": [{"subject": "math", **_FIGURES, "branches": None}],
        }
    )

    students: Annotated[int, Field(description="How many students there are, with or without marks.")]
    pass_mark: float
    bins: Annotated[list[float], Field(description="The limits of the histograms' bins, from 0 to `MARKS_MAX`.")]
    subjects: list[SubjectStatistics]


class RankedStudent(BaseModel):
    """A student's place in a ranking. Equal students share a rank, and the next one is by so many lower: 1, 2, 2, 4."""

    model_config = _example(
        {
            "rank": 2,
            "tied": True,
            "roll_no": "S101",
            "name": "Asha Rao",
            "branch": "Computer Science",
            "value": 169.5,
        }
    )

    rank: int
    tied: Annotated[bool, Field(description="Whether others share this rank.")]
    roll_no: str
    name: str
    branch: str
    value: Annotated[int | float, Field(description="What is ranked by: the total, the average or the mark.")]


class Standing(BaseModel):
    """A place among all students who have a value: "12 of 1703"."""

    rank: Annotated[int, Field(description="1 is the best; equal students share a rank.")]
    of: Annotated[int, Field(description="How many students are ranked.")]
    percentile: Annotated[
        float, Field(description="The percentage of those ranked who are lower, with half of those who are level.")
    ]


_STANDING: dict[str, JsonValue] = {"rank": 12, "of": 1703, "percentile": 99.295361}


class SubjectMark(SubjectName):
    """A mark, in front of where it stands."""

    mark: int | float
    grade: Annotated[str, Field(description="By the thresholds of the setting `GRADES`.")]


class SubjectReport(Standing, SubjectMark):
    """A mark on a report card."""

    model_config = _example({"subject": "math", "mark": 91, "grade": "A", **_STANDING, "class_mean": 46.365238})

    class_mean: Annotated[float, Field(description="The mean of all students' marks in this subject.")]


class Value(BaseModel):
    """A total or an average, in front of where it stands."""

    value: int | float


class OverallReport(Standing, Value):
    """A total or an average on a report card."""

    model_config = _example({"value": 169.5, **_STANDING})


class AverageReport(OverallReport):
    """The average on a report card."""

    model_config = _example({"value": 84.75, **_STANDING, "grade": "A"})

    grade: str


class ReportCard(BaseModel):
    """All of a student's marks, and where they stand among those of all students."""

    model_config = _example(
        {
            "roll_no": "S101",
            "name": "Asha Rao",
            "branch": "Computer Science",
            "subjects": [{"subject": "math", "mark": 91, "grade": "A", **_STANDING, "class_mean": 46.365238}],
            "total": {"value": 169.5, **_STANDING},
            "average": {"value": 84.75, **_STANDING, "grade": "A"},
        }
    )

    roll_no: str
    name: str
    branch: str
    subjects: Annotated[list[SubjectReport], Field(description="In order of name.")]
    total: Annotated[OverallReport | None, Field(description="Null for a student without marks.")]
    average: Annotated[AverageReport | None, Field(description="Null for a student without marks.")]
