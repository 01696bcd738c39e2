"""Counts of students by mark, computed in MongoDB.

All subjects are counted in one pass (`$facet`), because reading the students takes longer than counting. With five
subjects, this takes a third of the time of one `$group` per subject, and a fifth of that of `$objectToArray` with
`$unwind`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from core.database import Filter
from modules.analytics import query_concurrency
from modules.analytics.distribution import HUNDREDTHS
from modules.students import StudentReader

# The maximum number of subjects per pass. Facets share 100 MB of memory and cannot spill to disk; if this number still
# exceeds a limit, each subject gets a pass of its own.
SUBJECTS_AT_ONCE = 20

_TOO_MUCH = {
    4031700,  # the facets' output
    4031701,  # the facets' input
    146,  # ExceededMemoryLimit
    292,  # QueryExceededMemoryLimitNoDiskUseAllowed
    10334,  # BSONObjectTooLarge
    17419,  # an object of more than 16 MB
}

_STUDENTS = "students"

Grouping = str | Filter | None
"""How to group by branch: `EACH_BRANCH`, `these_branches(…)`, or None for no grouping."""

Counted = Sequence[tuple[int, int]]
"""Pairs of a mark in hundredths and the number of students who have it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of students by branch, and the counted marks by subject and branch.

    Without grouping, the key of all students is the branch None.
    """

    students: dict[str | None, int]
    marks: dict[str, dict[str | None, Counted]]


def students_in(branches: Sequence[str]) -> Filter:
    """Return the query of the students in these branches, or of all if empty. Deleted students never match."""
    return {"keys.live": True} | ({"branch": {"$in": list(branches)}} if branches else {})


EACH_BRANCH = "$branch"


def these_branches(branches: Sequence[str]) -> Filter:
    """Return the grouping by these branches. Students of all other branches are grouped as the branch None."""
    return {"$cond": [{"$in": ["$branch", {"$literal": list(branches)}]}, "$branch", None]}


async def tally(subjects: Sequence[str], branches: Sequence[str], grouping: Grouping = None) -> Tally:
    """Count the marks in these subjects of the students in these branches, or of all students if empty.

    Call it inside `query_concurrency.query_slot()`.
    """
    result = Tally({}, {})
    parts = [subjects[at : at + SUBJECTS_AT_ONCE] for at in range(0, len(subjects), SUBJECTS_AT_ONCE)]
    for part in parts or [subjects]:
        try:
            rows = await _in_one_pass(part, branches, grouping)
        except OperationFailure as error:
            if error.code not in _TOO_MUCH:
                raise
            rows = await _one_by_one(part, branches, grouping)
        _add_rows(rows, part, result)
    return result


def _add_rows(rows: Iterable[dict[str, Any]], subjects: Sequence[str], result: Tally) -> None:
    by_subject: dict[str, dict[str | None, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["of"] == _STUDENTS:
            result.students[row["_id"]] = row["n"]
        else:
            pairs = zip(row["marks"], row["counts"], strict=True)
            by_subject[subjects[int(row["of"])]][row["_id"]] += [(round(mark * HUNDREDTHS), n) for mark, n in pairs]
    result.marks.update({subject: {**by_subject[subject]} for subject in subjects})


async def _in_one_pass(subjects: Sequence[str], branches: Sequence[str], grouping: Grouping) -> list[dict[str, Any]]:
    facets = {str(number): _marks_of(subject, grouping) for number, subject in enumerate(subjects)}
    return await _read(
        branches,
        {"$facet": {**facets, _STUDENTS: [_students(grouping)]}},
        {"$project": {"facet": {"$objectToArray": "$$ROOT"}}},
        {"$unwind": "$facet"},
        {"$unwind": "$facet.v"},  # so that the limit of 16 MB applies to each row and not to all together
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$facet.v", {"of": "$facet.k"}]}}},
    )


async def _one_by_one(subjects: Sequence[str], branches: Sequence[str], grouping: Grouping) -> list[dict[str, Any]]:
    """Return the same rows from one pass per subject, which can spill to disk and returns one row per mark."""
    rows = [{**row, "of": _STUDENTS} for row in await _read(branches, _students(grouping))]
    for number, subject in enumerate(subjects):
        for row in await _read(branches, *_counts_of(subject, grouping)):
            mark = {"marks": [row["_id"]["m"]], "counts": [row["n"]]}
            rows.append({"_id": row["_id"].get("b"), "of": str(number), **mark})
    return rows


async def _read(branches: Sequence[str], *stages: Filter) -> list[dict[str, Any]]:
    # A collection scan reads all students faster than an index scan.
    options = {} if branches else {"hint": {"$natural": 1}}
    needed = {"$project": {"_id": 0, "branch": 1, "marks": 1}}
    return await query_concurrency.aggregate([{"$match": students_in(branches)}, needed, *stages], **options)


def _students(grouping: Grouping) -> Filter:
    return {"$group": {"_id": grouping, "n": {"$sum": 1}}}


def _counts_of(subject: str, grouping: Grouping) -> Iterator[Filter]:
    """Yield the stages that return one row per mark and group."""
    yield {"$group": {"_id": {"b": grouping, "m": StudentReader.mark_in(subject)}, "n": {"$sum": 1}}}
    yield {"$match": {"_id.m": {"$gte": 0}}}  # excludes students without a mark


def _marks_of(subject: str, grouping: Grouping) -> list[Filter]:
    """Return the stages that return one row per group with all of its marks, which transfers much less data."""
    together = {"$group": {"_id": "$_id.b", "marks": {"$push": "$_id.m"}, "counts": {"$push": "$n"}}}
    return [*_counts_of(subject, grouping), together]
