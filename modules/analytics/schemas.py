"""Response bodies of statistics, rankings and report cards."""

from typing import Annotated, Any

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


def _if_told(description: str) -> Any:
    # Left out of the response, not null, unless there is something to tell.
    return Field(default=None, exclude_if=lambda value: value is None, description=description)


class Figures(BaseModel):
    """Statistics of a set of marks. Quartiles use the linear method (R's type 7, numpy's default). Figures that are not
    defined without marks are null.

    All are on the scale from 0 to `MARKS_MAX`. Marks in a subject with a maximum of its own are converted to it: 8 of
    10 is 80 if `MARKS_MAX` is 100.
    """

    n: Annotated[int, Field(description="The number of students with a mark.")]
    missing: Annotated[int, Field(description="The number of students without a mark.")]
    mean: float | None
    standard_deviation: Annotated[
        float | None, Field(description="The sample standard deviation (n - 1); null for fewer than two marks.")
    ]
    min: float | None
    q1: float | None
    median: float | None
    q3: float | None
    max: float | None
    passed: Annotated[int, Field(description="The number of marks that are `pass_mark` or higher.")]
    pass_rate: Annotated[float | None, Field(description="`passed` divided by `n`, from 0 to 1.")]
    histogram: Annotated[
        list[int],
        Field(description="The number of marks between each two successive limits of `bins`, including the lower limit "
              "and excluding the upper one. The last bin also includes its upper limit and higher marks."),
    ]  # fmt: skip


class BranchName(BaseModel):
    """The name of a branch; the first field of its statistics."""

    branch: str


class BranchStatistics(Figures, BranchName):
    """Statistics of one subject in one branch."""

    model_config = _example({"branch": "Physics", **_FIGURES})


class SubjectName(BaseModel):
    """The name of a subject; the first field of its statistics."""

    subject: str


class SubjectStatistics(Figures, SubjectName):
    """Statistics of one subject."""

    model_config = _example({"subject": "math", **_FIGURES, "branches": None})

    out_of: int | float = _if_told(
        "The maximum of the subject, from which all figures are converted to the scale from 0 to `MARKS_MAX`. There if "
        "any subject has a maximum of its own."
    )
    branches: Annotated[
        list[BranchStatistics] | None,
        Field(description="The statistics of each branch with `by=branch`; otherwise null."),
    ] = None


class StatisticsRead(BaseModel):
    """Statistics of all subjects with marks, or of the requested subjects, sorted by name."""

    model_config = _example(
        {
            "students": 1905,
            "pass_mark": 40,
            "bins": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
            "subjects": [{"subject": "math", **_FIGURES, "branches": None}],
        }
    )

    students: Annotated[int, Field(description="The number of selected students, with or without marks.")]
    pass_mark: float
    bins: Annotated[list[float], Field(description="The limits of the histogram bins, from 0 to `MARKS_MAX`.")]
    subjects: list[SubjectStatistics]


class RankedStudent(BaseModel):
    """A student in a ranking. Students with equal values share a rank, and the next ranks are skipped: 1, 2, 2, 4."""

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
    tied: Annotated[bool, Field(description="Whether other students share this rank.")]
    roll_no: str
    name: str
    branch: str
    value: Annotated[
        int | float, Field(description="The value that students are ranked by: the total, the average or the mark.")
    ]
    out_of: int | float = _if_told(
        "The highest possible value: of a total, the sum of the maxima of the subjects that it is made from. There if "
        "subjects have maxima of their own, or do not count in the total."
    )


class Standing(BaseModel):
    """A rank among all students with a value, such as 12 of 1703."""

    rank: Annotated[int, Field(description="The rank; 1 is the best. Students with equal values share a rank.")]
    of: Annotated[int, Field(description="The number of ranked students.")]
    percentile: Annotated[
        float, Field(description="The percentage of ranked students who are lower, plus half of those who are equal.")
    ]


_STANDING: dict[str, JsonValue] = {"rank": 12, "of": 1703, "percentile": 99.295361}
_IN_BRANCH: dict[str, JsonValue] = {"rank": 2, "of": 31, "percentile": 95.16129}
_ASKED_FOR = "With `branch`: the same among the students of the branch."


class SubjectMark(SubjectName):
    """A mark with its grade; the first fields of a subject's report."""

    mark: int | float
    grade: Annotated[str, Field(description="The letter grade, by the thresholds of the setting `GRADES`.")]


class BranchStanding(Standing):
    """A rank among the students of a branch who have a value."""

    model_config = _example(_IN_BRANCH)


class SubjectBranchStanding(BranchStanding):
    """The rank of a mark in a branch, and the branch's mean."""

    model_config = _example({**_IN_BRANCH, "class_mean": 51.5})

    class_mean: Annotated[float, Field(description="The mean of the marks of the branch in this subject.")]


class SubjectReport(Standing, SubjectMark):
    """A mark on a report card, with grade, rank and class mean."""

    model_config = _example({"subject": "math", "mark": 91, "grade": "A", **_STANDING, "class_mean": 46.365238})

    class_mean: Annotated[float, Field(description="The mean of all students' marks in this subject.")]
    out_of: int | float = _if_told("The maximum of the subject. There if any subject has a maximum of its own.")
    percent: float = _if_told("The mark in percent of `out_of`, which the grade is made from.")
    counts_in_total: bool = _if_told("`false` if the mark is in neither the total nor the average; otherwise left out.")
    in_branch: SubjectBranchStanding = _if_told(_ASKED_FOR)


class Value(BaseModel):
    """A total or an average; the first field of its report."""

    value: int | float


class OverallReport(Standing, Value):
    """A total or an average on a report card, with its rank."""

    model_config = _example({"value": 169.5, **_STANDING})

    out_of: int | float = _if_told(
        "The highest possible value: of the total, the sum of the maxima of its `subjects`; of the average, "
        "`MARKS_MAX`. There if subjects have maxima of their own, or do not count in the total."
    )
    subjects: list[str] = _if_told("The subjects that the value is made from. There if `out_of` is.")
    in_branch: BranchStanding = _if_told(_ASKED_FOR)


class AverageReport(OverallReport):
    """The average on a report card, with its rank and grade. Each mark is divided by the maximum of its subject, and
    the mean of these shares is multiplied by `MARKS_MAX`. A subject without a mark is not taken for zero."""

    model_config = _example({"value": 84.75, **_STANDING, "grade": "A"})

    grade: str


class ReportCard(BaseModel):
    """All marks of a student, with their ranks among all students."""

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
    subjects: Annotated[
        list[SubjectReport],
        Field(description="The student's marks, in the declared order of the subjects, the others by name."),
    ]
    total: Annotated[OverallReport | None, Field(description="Null for a student without marks.")]
    average: Annotated[AverageReport | None, Field(description="Null for a student without marks.")]
