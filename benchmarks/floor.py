"""The floor of `benchmarks.run`: the minimum that serves the same bytes as the service.

It is bare Starlette on the Motor driver. Tokens are verified by hand (HS256, RFC 7515) with keys that are cached in
memory without expiry. Nothing is validated, logged, counted or versioned, and stored documents are serialized to JSON
unchanged. Motor's own MOTOR_MAX_WORKERS sets its number of threads.
"""

import asyncio
import hmac
import json
import os
import re
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import bcrypt
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic_core import from_json, to_json
from pymongo import ReturnDocument
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

COST = int(os.environ.get("BCRYPT_COST", "12"))
SESSION_SECONDS = 36_000
HEADER = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
FIELDS = {"_id": 0, "roll_no": 1, "name": 1, "branch": 1, "marks": 1, "created_at": 1, "updated_at": 1}


class Account(NamedTuple):
    """The cached part of an account: its signing key and its password hash."""

    key: bytes
    password: bytes


accounts: dict[str, Account] = {}
database: Any = None


@asynccontextmanager
async def open_database(_: Starlette) -> AsyncIterator[None]:
    """Connect to the database while the app runs, with the write concern of the service."""
    global database  # noqa: PLW0603  # the cheapest access
    client: Any = AsyncIOMotorClient(os.environ["MONGODB_URL"], w="majority", journal=True, tz_aware=True)
    database = client[os.environ["MONGODB_DATABASE"]]
    yield
    client.close()


async def account_of(username: str) -> Account:
    """Return an account from the cache, or else from the database."""
    if username not in accounts:
        found = await database.users.find_one({"username": username})
        accounts[username] = Account(found["secret_key"], found["password"])
    return accounts[username]


async def authenticate(request: Request) -> str:
    """Return the user name of a valid token, or raise a 401."""
    signed, _, signature = request.headers["authorization"][7:].encode().rpartition(b".")
    claims = from_json(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
    account = accounts.get(claims["sub"]) or await account_of(claims["sub"])
    if hmac.compare_digest(signature_of(signed, account.key), signature) and claims["exp"] > time.time():
        return str(claims["sub"])
    raise HTTPException(401)


def signature_of(signed: bytes, key: bytes) -> bytes:
    """Return the signature part of a token."""
    return urlsafe_b64encode(hmac.digest(key, signed, "sha256")).rstrip(b"=")


def answer(content: Any, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(to_json(content), status, media_type="application/json")


def now() -> datetime:
    """Return the time in UTC, rounded down to milliseconds like MongoDB's."""
    exact = datetime.now(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


async def register(request: Request) -> Response:
    """Register an account. This is never measured."""
    sent = from_json(await request.body())
    password = await asyncio.to_thread(bcrypt.hashpw, sent["password"].encode(), bcrypt.gensalt(COST))
    account = {"username": sent["username"], "password": password, "secret_key": secrets.token_hex(32).encode()}
    await database.users.insert_one(account)
    return answer({"username": sent["username"]}, 201)


async def login(request: Request) -> Response:
    """Return a token if the password is correct."""
    form = dict(parse_qsl((await request.body()).decode()))
    account = await account_of(form["username"])
    if not await asyncio.to_thread(bcrypt.checkpw, form["password"].encode(), account.password):
        raise HTTPException(401)
    at = int(time.time())
    times = {"auth_time": at, "iat": at, "exp": at + SESSION_SECONDS}
    claims = {"sub": form["username"], **times, "jti": secrets.token_urlsafe(16)}
    signed = HEADER + b"." + urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).rstrip(b"=")
    token = signed + b"." + signature_of(signed, account.key)
    return answer({"access_token": token.decode(), "token_type": "bearer", "expires_in": SESSION_SECONDS})


async def get(request: Request) -> Response:
    """Return one student."""
    await authenticate(request)
    found = await database.students.find_one({"roll_no": request.path_params["roll_no"]}, FIELDS)
    if found is None:
        raise HTTPException(404)
    return answer(found)


async def list_(request: Request) -> Response:
    """List students, with optional filters on the branch and on a minimum mark."""
    await authenticate(request)
    asked = dict(parse_qsl(request.scope["query_string"].decode()))
    wanted: dict[str, Any] = {"branch": asked["branch"]} if "branch" in asked else {}
    if "marks.math.gte" in asked:
        wanted["marks.math"] = {"$gte": float(asked["marks.math.gte"])}
    sort = asked.get("sort")
    order = [("keys.name" if sort == "name" else sort, 1), ("roll_no", 1)] if sort else [("roll_no", 1)]
    return answer(await database.students.find(wanted, FIELDS, sort=order, limit=int(asked["limit"])).to_list(None))


async def create(request: Request) -> Response:
    """Insert a student like the service, including the fields for its indexes."""
    username = await authenticate(request)
    sent = from_json(await request.body())
    at = now()
    content = {name: sent[name] for name in ("roll_no", "name", "branch", "marks")}
    times = {"created_at": at, "updated_at": at}
    version = {"version": 1, "action": "created", "updated_by": username}
    rest = {"deleted_at": None, "source": None, "stamp": ObjectId()}
    merged: dict[str, Any] = {"erasing": None, "former": None, "merge": None, "absorbed": []}
    await database.students.insert_one(content | version | times | rest | merged | {"keys": keys_of(sent)})
    return answer(content | times, 201)


def keys_of(student: dict[str, Any]) -> dict[str, Any]:
    """Return the fields for the service's indexes, given an ASCII name and at least one mark."""
    marks = student["marks"]
    total = sum(round(mark * 100) for mark in marks.values())
    terms = f"{student['name']} {student['roll_no']}".lower().split()
    summary = {"subjects": ".".join(sorted(marks)), "total": total, "average": total / len(marks)}
    identity = re.sub(r"(?<!\d)0+(?=\d)", "", student["roll_no"].lower())
    name, last = student["name"].lower(), student["name"].lower().rpartition(" ")
    sort_keys = {"natural": student["roll_no"], "name": name, "last_name": f"{last[2]} {last[0]}"}
    return {"live": True, "terms": terms, **summary, "identities": [identity], "former": [], **sort_keys}


async def patch(request: Request) -> Response:
    """Update marks."""
    await authenticate(request)
    marks = from_json(await request.body())["marks"]
    changes = {f"marks.{subject}": mark for subject, mark in marks.items()} | {"updated_at": now()}
    found = await database.students.find_one_and_update(
        {"roll_no": request.path_params["roll_no"]},
        {"$set": changes},
        FIELDS,
        return_document=ReturnDocument.AFTER,
    )
    if found is None:
        raise HTTPException(404)
    return answer(found)


async def ready(_: Request) -> Response:
    """Return 200 to show that the server runs."""
    return Response()


app = Starlette(
    routes=[
        Route("/students/{roll_no}", get),
        Route("/students/{roll_no}", patch, methods=["PATCH"]),
        Route("/students", list_),
        Route("/students", create, methods=["POST"]),
        Route("/login", login, methods=["POST"]),
        Route("/register", register, methods=["POST"]),
        Route("/readyz", ready),
    ],
    lifespan=open_database,
)
