"""A server that `benchmarks.run` compares: the same API as in a typical tutorial.

It uses FastAPI with plain functions, which run in threads; the synchronous driver; two queries per request, one for the
user of the token and one for the student; python-jose and passlib.
"""

import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jose import JWTError, jwt
from passlib.context import CryptContext
from pymongo import MongoClient

from benchmarks.sketch import StudentCreate, StudentRead, StudentUpdate, Token, UserCreate

SESSION = timedelta(hours=10)

client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGODB_URL"], tz_aware=True)
database = client[os.environ["MONGODB_DATABASE"]]
passwords = CryptContext(schemes=["bcrypt"], bcrypt__rounds=int(os.environ.get("BCRYPT_COST", "12")))
bearer = OAuth2PasswordBearer(tokenUrl="login")
app = FastAPI()


def current_user(token: Annotated[str, Depends(bearer)]) -> dict[str, Any]:
    """Return the user whose key signed the token."""
    refused = HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})
    try:
        user = database.users.find_one({"username": jwt.get_unverified_claims(token).get("sub")})
        if user is None:
            raise refused
        jwt.decode(token, user["secret_key"], algorithms=["HS256"])
    except JWTError as error:
        raise refused from error
    return user


CurrentUser = Annotated[dict[str, Any], Depends(current_user)]


@app.get("/readyz")
def ready() -> None:
    """Return 200 to show that the server runs."""


@app.post("/register", status_code=201)
def register(user: UserCreate) -> dict[str, str]:
    """Register an account."""
    if database.users.find_one({"username": user.username}):
        raise HTTPException(409, "Username already registered")
    account = user.model_dump() | {"password": passwords.hash(user.password), "secret_key": secrets.token_hex(32)}
    database.users.insert_one(account)
    return {"username": user.username, "email": user.email}


@app.post("/login")
def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
    """Sign in."""
    user = database.users.find_one({"username": form.username})
    if user is None or not passwords.verify(form.password, user["password"]):
        raise HTTPException(401, "Incorrect username or password")
    claims = {"sub": form.username, "exp": datetime.now(UTC) + SESSION}
    return Token(access_token=jwt.encode(claims, user["secret_key"], algorithm="HS256"), token_type="bearer")  # noqa: S106  # no password


@app.post("/students", status_code=201, response_model=StudentRead)
def create(student: StudentCreate, _: CurrentUser) -> dict[str, Any]:
    """Create a student."""
    if database.students.find_one({"roll_no": student.roll_no}):
        raise HTTPException(409, "Student already exists")
    at = datetime.now(UTC)
    stored = student.model_dump() | {"created_at": at, "updated_at": at}
    database.students.insert_one(stored)
    return stored


@app.get("/students", response_model=list[StudentRead])
def list_(
    _: CurrentUser,
    branch: str | None = None,
    at_least: Annotated[float | None, Query(alias="marks.math.gte")] = None,
    sort: str = "roll_no",
    limit: int = 100,
) -> list[dict[str, Any]]:
    """List students."""
    wanted: dict[str, Any] = {}
    if branch is not None:
        wanted["branch"] = branch
    if at_least is not None:
        wanted["marks.math"] = {"$gte": at_least}
    return list(database.students.find(wanted).sort([(sort, 1), ("roll_no", 1)]).limit(limit))


@app.get("/students/{roll_no}", response_model=StudentRead)
def get(roll_no: str, _: CurrentUser) -> dict[str, Any]:
    """Return one student."""
    student = database.students.find_one({"roll_no": roll_no})
    if student is None:
        raise HTTPException(404, "Student not found")
    return student


@app.patch("/students/{roll_no}", response_model=StudentRead)
def patch(roll_no: str, changes: StudentUpdate, user: CurrentUser) -> dict[str, Any]:
    """Update a student."""
    student = get(roll_no, user)
    changed = changes.model_dump(exclude_unset=True)
    if changes.marks is not None:
        changed["marks"] = student["marks"] | changes.marks
    changed["updated_at"] = datetime.now(UTC)
    database.students.update_one({"roll_no": roll_no}, {"$set": changed})
    return get(roll_no, user)
