"""What `benchmarks.tutorial` and `benchmarks.naive` receive and answer."""

from datetime import datetime

from pydantic import BaseModel, EmailStr


class UserCreate(BaseModel):
    """A new account."""

    username: str
    email: EmailStr
    password: str


class Token(BaseModel):
    """What signing in answers."""

    access_token: str
    token_type: str


class StudentCreate(BaseModel):
    """A new student."""

    roll_no: str
    name: str
    branch: str
    marks: dict[str, float] = {}


class StudentUpdate(BaseModel):
    """What may change of one."""

    name: str | None = None
    branch: str | None = None
    marks: dict[str, float] | None = None


class StudentRead(StudentCreate):
    """A student, as answered."""

    created_at: datetime
    updated_at: datetime
