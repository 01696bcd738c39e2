"""Request and response schemas of `benchmarks.tutorial` and `benchmarks.naive`."""

from datetime import datetime

from pydantic import BaseModel, EmailStr


class UserCreate(BaseModel):
    """A new account."""

    username: str
    email: EmailStr
    password: str


class Token(BaseModel):
    """The response to a login."""

    access_token: str
    token_type: str


class StudentCreate(BaseModel):
    """A new student."""

    roll_no: str
    name: str
    branch: str
    marks: dict[str, float] = {}


class StudentUpdate(BaseModel):
    """Changes to a student."""

    name: str | None = None
    branch: str | None = None
    marks: dict[str, float] | None = None


class StudentRead(StudentCreate):
    """A student in a response."""

    created_at: datetime
    updated_at: datetime
