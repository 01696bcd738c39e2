"""How often each mark was given, counted in MongoDB.

All subjects are counted in one pass (`$facet`), as reading the students costs more than counting: with five subjects it
takes a third of the time of one `$group` a subject, and a fifth of that of `$objectToArray` with `$unwind`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from core.database import Filter
from modules.analytics import query_concurrency
from modules.analytics.distribution import HUNDREDTHS
from modules.analytics.ranking_measure import MARKS

# Facets share 100 MB of memory and have no file to go to: with more subjects than this, or where even so many are too
# much for them, there is a pass for some of the subjects at a time.
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

Apart = str | Filter | None
"""How branches are told apart: `EACH_BRANCH`, `these_branches(…)`, or not at all."""

Counted = Sequence[tuple[int, int]]
"""Marks in hundredths, each with the number of students who have it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted: the students of each branch, and the marks of each subject and branch. Where branches were not
    told apart, all students are of the branch None."""

    students: dict[str | None, int]
    marks: dict[str, dict[str | None, Counted]]


def chosen(branches: Sequence[str]) -> Filter:
    """What selects the students of these branches; all, where none is named. Deleted ones never count."""
    return {"keys.live": True} | ({"branch": {"$in": list(branches)}} if branches else {})


EACH_BRANCH = "$branch"


def these_branches(branches: Sequence[str]) -> Filter:
    """Tells these branches apart; the students of all others are of the branch None."""
    return {"$cond": [{"$in": ["$branch", {"$literal": list(branches)}]}, "$branch", None]}


async def tally(subjects: Sequence[str], branches: Sequence[str], apart: Apart = None) -> Tally:
    """Count the marks of the students of these branches (of all, where none is named) in these subjects; call it in a
    `heavy.turn()`."""
    result = Tally({}, {})
    parts = [subjects[at : at + SUBJECTS_AT_ONCE] for at in range(0, len(subjects), SUBJECTS_AT_ONCE)]
    for part in parts or [subjects]:
        try:
            rows = await _in_one_pass(part, branches, apart)
        except OperationFailure as error:
            if error.code not in _TOO_MUCH:
                raise
            rows = await _one_by_one(part, branches, apart)
        _enter(rows, part, result)
    return result


def _enter(rows: Iterable[dict[str, Any]], subjects: Sequence[str], result: Tally) -> None:
    by_subject: dict[str, dict[str | None, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["of"] == _STUDENTS:
            result.students[row["_id"]] = row["n"]
        else:
            pairs = zip(row["marks"], row["counts"], strict=True)
            by_subject[subjects[int(row["of"])]][row["_id"]] += [(round(mark * HUNDREDTHS), n) for mark, n in pairs]
    result.marks.update({subject: {**by_subject[subject]} for subject in subjects})


async def _in_one_pass(subjects: Sequence[str], branches: Sequence[str], apart: Apart) -> list[dict[str, Any]]:
    facets = {str(number): _marks_of(subject, apart) for number, subject in enumerate(subjects)}
    return await _read(
        branches,
        {"$facet": {**facets, _STUDENTS: [_students(apart)]}},
        {"$project": {"facet": {"$objectToArray": "$$ROOT"}}},
        {"$unwind": "$facet"},
        {"$unwind": "$facet.v"},  # so that each row, and not all of them, must keep to the limit of 16 MB
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$facet.v", {"of": "$facet.k"}]}}},
    )


async def _one_by_one(subjects: Sequence[str], branches: Sequence[str], apart: Apart) -> list[dict[str, Any]]:
    """The same rows in a pass for each subject, which can use files and answers mark by mark."""
    rows = [{**row, "of": _STUDENTS} for row in await _read(branches, _students(apart))]
    for number, subject in enumerate(subjects):
        for row in await _read(branches, *_counts_of(subject, apart)):
            mark = {"marks": [row["_id"]["m"]], "counts": [row["n"]]}
            rows.append({"_id": row["_id"].get("b"), "of": str(number), **mark})
    return rows


async def _read(branches: Sequence[str], *stages: Filter) -> list[dict[str, Any]]:
    # All students are read faster in the order in which they lie than in that of an index.
    options = {} if branches else {"hint": {"$natural": 1}}
    needed = {"$project": {"_id": 0, "branch": 1, "marks": 1}}
    return await query_concurrency.aggregate([{"$match": chosen(branches)}, needed, *stages], **options)


def _students(apart: Apart) -> Filter:
    return {"$group": {"_id": apart, "n": {"$sum": 1}}}


def _counts_of(subject: str, apart: Apart) -> Iterator[Filter]:
    """A row for each mark (of each branch)."""
    yield {"$group": {"_id": {"b": apart, "m": f"${MARKS}{subject}"}, "n": {"$sum": 1}}}
    yield {"$match": {"_id.m": {"$gte": 0}}}  # not the students without one


def _marks_of(subject: str, apart: Apart) -> list[Filter]:
    """One row (a branch) with all of its marks, which is much less to send."""
    together = {"$group": {"_id": "$_id.b", "marks": {"$push": "$_id.m"}, "counts": {"$push": "$n"}}}
    return [*_counts_of(subject, apart), together]
