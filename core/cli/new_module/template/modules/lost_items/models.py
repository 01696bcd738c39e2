"""The stored document of lost items."""

from pymongo import IndexModel

from core.api import Versioned
from core.references import Reference  # with reference
from modules.students import STUDENTS, StudentCopy  # with reference


class LostItem(Versioned):
    """A lost item."""

    code: str
    name: str
    student: StudentCopy  # with reference

    class Settings:
        """Has a unique index on the code, for lookups and lists."""  # without reference
        """Has a unique index on the code, and one for lists, which omit the records of deleted students."""  # with reference

        name = "lost_items"
        indexes = [IndexModel("code", name="code_unique", unique=True)]  # without reference
        indexes = [  # with reference
            IndexModel("code", name="code_unique", unique=True),  # with reference
            IndexModel([("student.live", 1), ("code", 1)], name="by_live_and_code"),  # with reference
            *STUDENTS.indexes(),  # with reference
        ]  # with reference
  # with reference
    @property  # with reference
    def roll_no(self) -> str:  # with reference
        """The student's current roll number."""  # with reference
        return self.student.roll_no  # with reference
  # with reference
  # with reference
OF_STUDENTS = Reference(LostItem, STUDENTS)  # with reference
