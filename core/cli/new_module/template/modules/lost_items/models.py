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
        """Has a unique index on the code, for lookups and lists."""

        name = "lost_items"
        indexes = [IndexModel("code", name="code_unique", unique=True)]  # without reference
        indexes = [IndexModel("code", name="code_unique", unique=True), *STUDENTS.indexes()]  # with reference
  # with reference
    @property  # with reference
    def roll_no(self) -> str:  # with reference
        """The student's current roll number."""  # with reference
        return self.student.roll_no  # with reference
  # with reference
  # with reference
OF_STUDENTS = Reference(LostItem, STUDENTS)  # with reference
