"""The new subjects of an import: those in which no stored student had a mark when it began."""

from collections.abc import Sequence

from modules.students import StudentReader
from modules.transfers.files.table import Row
from modules.transfers.models import Import

MAX_LISTED = 100
# In a school with more subjects, no subject is reported as new.
MAX_STORED = 5_000


async def remember_stored(job: Import) -> None:
    """Store the subjects that exist before the import writes anything, unless an earlier run has stored them."""
    if job.subjects_before is None:
        await job.update_fields(subjects_before=await StudentReader().subjects(MAX_STORED))


def count(job: Import, rows: Sequence[Row]) -> None:
    """Count the rows with a mark in each new subject, for the first `MAX_LISTED` ones, in `job`."""
    before = set(job.subjects_before or ())
    if len(before) > MAX_STORED:
        return
    found = {new["subject"]: new["rows"] for new in job.new_subjects}
    for row in rows:
        for subject in row.content["marks"]:
            if subject not in before and (subject in found or len(found) < MAX_LISTED):
                found[subject] = found.get(subject, 0) + 1
    job.new_subjects = [{"subject": subject, "rows": number} for subject, number in found.items()]
