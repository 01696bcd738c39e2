"""A server that `benchmarks.run` compares: the same API on Beanie, without any optimization.

Whole documents are read and validated everywhere, including the user's for each request, and validated again for the
response. Only password hashing runs outside the event loop; otherwise nothing could be measured in parallel with it.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from beanie import Document, Indexed, init_beanie
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jose import JWTError, jwt
from motor.motor_asyncio import AsyncIOMotorClient
from passlib.context import CryptContext
from pydantic import Field

from benchmarks.sketch import StudentCreate, StudentRead, StudentUpdate, Token, UserCreate

SESSION = timedelta(hours=10)

passwords = CryptContext(schemes=["bcrypt"], bcrypt__rounds=int(os.environ.get("BCRYPT_COST", "12")))
bearer = OAuth2PasswordBearer(tokenUrl="login")


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class User(Document):
    """An account."""

    username: Annotated[str, Indexed(unique=True)]
    email: str
    password: str
    secret_key: str

    class Settings:
        """Beanie settings."""

        name = "users"


class StudentDocument(Document):
    """A student."""

    roll_no: Annotated[str, Indexed(unique=True)]
    name: str
    branch: str
    marks: dict[str, float] = {}
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)

    class Settings:
        """Beanie settings."""

        name = "students"


@asynccontextmanager
async def open_database(_: FastAPI) -> AsyncIterator[None]:
    """Connect to the database while the app runs."""
    client: Any = AsyncIOMotorClient(os.environ["MONGODB_URL"], tz_aware=True)
    await init_beanie(database=client[os.environ["MONGODB_DATABASE"]], document_models=[User, StudentDocument])
    yield
    client.close()


app = FastAPI(lifespan=open_database)


async def current_user(token: Annotated[str, Depends(bearer)]) -> User:
    """Return the user whose key signed the token."""
    refused = HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})
    try:
        user = await User.find_one(User.username == jwt.get_unverified_claims(token).get("sub"))
        if user is None:
            raise refused
        jwt.decode(token, user.secret_key, algorithms=["HS256"])
    except JWTError as error:
        raise refused from error
    return user


CurrentUser = Annotated[User, Depends(current_user)]


@app.get("/readyz")
async def ready() -> None:
    """Return 200 to show that the server runs."""


@app.post("/register", status_code=201)
async def register(data: UserCreate) -> dict[str, str]:
    """Register an account."""
    hashed = await asyncio.to_thread(passwords.hash, data.password)
    user = User(username=data.username, email=data.email, password=hashed, secret_key=secrets.token_hex(32))
    await user.insert()
    return {"username": user.username, "email": user.email}


@app.post("/login")
async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
    """Sign in."""
    user = await User.find_one(User.username == form.username)
    if user is None or not await asyncio.to_thread(passwords.verify, form.password, user.password):
        raise HTTPException(401, "Incorrect username or password")
    claims = {"sub": user.username, "exp": now() + SESSION}
    return Token(access_token=jwt.encode(claims, user.secret_key, algorithm="HS256"), token_type="bearer")  # noqa: S106  # no password


@app.post("/students", status_code=201, response_model=StudentRead)
async def create(data: StudentCreate, _: CurrentUser) -> StudentDocument:
    """Create a student."""
    if await StudentDocument.find_one(StudentDocument.roll_no == data.roll_no):
        raise HTTPException(409, "Student already exists")
    return await StudentDocument(**data.model_dump()).insert()


@app.get("/students", response_model=list[StudentRead])
async def list_(
    _: CurrentUser,
    branch: str | None = None,
    at_least: Annotated[float | None, Query(alias="marks.math.gte")] = None,
    sort: str = "roll_no",
    limit: int = 100,
) -> list[StudentDocument]:
    """List students."""
    wanted: dict[str, Any] = {}
    if branch is not None:
        wanted["branch"] = branch
    if at_least is not None:
        wanted["marks.math"] = {"$gte": at_least}
    return await StudentDocument.find(wanted).sort([(sort, 1), ("roll_no", 1)]).limit(limit).to_list()  # type: ignore[list-item]


@app.get("/students/{roll_no}", response_model=StudentRead)
async def get(roll_no: str, _: CurrentUser) -> StudentDocument:
    """Return one student."""
    student = await StudentDocument.find_one(StudentDocument.roll_no == roll_no)
    if student is None:
        raise HTTPException(404, "Student not found")
    return student


@app.patch("/students/{roll_no}", response_model=StudentRead)
async def patch(roll_no: str, changes: StudentUpdate, user: CurrentUser) -> StudentDocument:
    """Update a student."""
    student = await get(roll_no, user)
    for field, value in changes.model_dump(exclude_unset=True).items():
        setattr(student, field, student.marks | value if field == "marks" else value)
    student.updated_at = now()
    await student.save()
    return student
