"""The schemas of the plans of imports."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from modules.students import FieldChange
from modules.transfers.imports.plan import Entry, changes_of

PlannedOutcome = Literal["created", "updated", "unchanged"]


class PlanEntry(BaseModel):
    """What a valid row of an import does, or would do in a dry run: the row's number, the line it starts at, the roll
    number, and for an updated student the changed fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "row": 17,
                    "line": 18,
                    "roll_no": "S117",
                    "outcome": "updated",
                    "changes": [{"field": "marks.math", "from": 50, "to": 60}],
                    "changes_left_out": 0,
                }
            ]
        }
    )

    row: int
    line: int
    roll_no: Annotated[
        str, Field(description="The roll number; empty if a student was erased while the import stored the entry.")
    ]
    outcome: PlannedOutcome
    changes: Annotated[list[FieldChange], Field(description="The changed fields of an updated student, up to 50.")] = []
    changes_left_out: Annotated[int, Field(description="The number of changed fields that are not listed here.")] = 0

    @classmethod
    def of(cls, entry: Entry) -> "PlanEntry":
        """Return an entry, given as stored."""
        changes = [FieldChange(field=field, before=old, after=new) for field, old, new in changes_of(entry)]
        return cls.model_validate(entry | {"changes": changes})
