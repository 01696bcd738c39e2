"""What is stored of a student."""

from datetime import datetime

from beanie import Document
from pydantic import Field
from pymongo import IndexModel

from core.clock import utc_now
from core.etag import strong_etag


class Student(Document):
    """A student's current record. `version` counts its writes; a subject without an entry in `marks` has no mark."""

    roll_no: str
    name: str
    branch: str
    marks: dict[str, int | float]
    version: int = 1
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)

    class Settings:
        name = "students"
        indexes = [IndexModel("roll_no", name="roll_no_unique", unique=True)]

    @property
    def etag(self) -> str:
        """The entity tag of this state of the record."""
        assert self.id, "only a stored record has an entity tag"
        return strong_etag(self.id, self.version)
