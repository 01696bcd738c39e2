"""The floor: the least that could serve the same bytes as the service, for `benchmarks.run`.

Bare Starlette on the Motor driver. Tokens are verified by hand (HS256, RFC 7515), with keys that stay in memory once
they have been looked up; nothing is validated, logged, counted or kept of the past. What the database holds goes to
JSON as it is. How many threads Motor has, its own MOTOR_MAX_WORKERS says.
"""

import asyncio
import hmac
import json
import os
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
    """What signing in and being signed in need."""

    key: bytes
    password: bytes


accounts: dict[str, Account] = {}
database: Any = None


@asynccontextmanager
async def open_database(_: Starlette) -> AsyncIterator[None]:
    """The database while the app runs, with the write concern of the service."""
    global database  # noqa: PLW0603  # the cheapest way there
    client: Any = AsyncIOMotorClient(os.environ["MONGODB_URL"], w="majority", journal=True, tz_aware=True)
    database = client[os.environ["MONGODB_DATABASE"]]
    yield
    client.close()


async def account_of(username: str) -> Account:
    """An account, from memory or else with one look-up."""
    if username not in accounts:
        found = await database.users.find_one({"username": username})
        accounts[username] = Account(found["secret_key"], found["password"])
    return accounts[username]


async def authenticate(request: Request) -> str:
    """Who signed in; raises the 401."""
    signed, _, signature = request.headers["authorization"][7:].encode().rpartition(b".")
    claims = from_json(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
    account = accounts.get(claims["sub"]) or await account_of(claims["sub"])
    if hmac.compare_digest(signature_of(signed, account.key), signature) and claims["exp"] > time.time():
        return str(claims["sub"])
    raise HTTPException(401)


def signature_of(signed: bytes, key: bytes) -> bytes:
    """The last part of a token."""
    return urlsafe_b64encode(hmac.digest(key, signed, "sha256")).rstrip(b"=")


def answer(content: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(to_json(content), status, media_type="application/json")


def now() -> datetime:
    """As precise as MongoDB keeps it."""
    exact = datetime.now(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


async def register(request: Request) -> Response:
    """Make an account. Never measured."""
    sent = from_json(await request.body())
    password = await asyncio.to_thread(bcrypt.hashpw, sent["password"].encode(), bcrypt.gensalt(COST))
    account = {"username": sent["username"], "password": password, "secret_key": secrets.token_hex(32).encode()}
    await database.users.insert_one(account)
    return answer({"username": sent["username"]}, 201)


async def login(request: Request) -> Response:
    """A token for the right password."""
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
    """One student."""
    await authenticate(request)
    found = await database.students.find_one({"roll_no": request.path_params["roll_no"]}, FIELDS)
    if found is None:
        raise HTTPException(404)
    return answer(found)


async def list_(request: Request) -> Response:
    """Students, of one branch with at least one mark where that is asked for."""
    await authenticate(request)
    asked = dict(parse_qsl(request.scope["query_string"].decode()))
    wanted: dict[str, Any] = {"branch": asked["branch"]} if "branch" in asked else {}
    if "marks.math.gte" in asked:
        wanted["marks.math"] = {"$gte": float(asked["marks.math.gte"])}
    order = [(asked["sort"], 1), ("roll_no", 1)] if "sort" in asked else [("roll_no", 1)]
    return answer(await database.students.find(wanted, FIELDS, sort=order, limit=int(asked["limit"])).to_list(None))


async def create(request: Request) -> Response:
    """Store a student as the service does, with what its indexes need."""
    username = await authenticate(request)
    sent = from_json(await request.body())
    at = now()
    content = {name: sent[name] for name in ("roll_no", "name", "branch", "marks")}
    times = {"created_at": at, "updated_at": at}
    version = {"version": 1, "action": "created", "updated_by": username}
    rest = {"deleted_at": None, "source": None, "stamp": ObjectId(), "erasing": None, "keys": keys_of(sent)}
    await database.students.insert_one(content | version | times | rest)
    return answer(content | times, 201)


def keys_of(student: dict[str, Any]) -> dict[str, Any]:
    """What the service's indexes need, for names in ASCII and students with marks."""
    marks = student["marks"]
    total = sum(round(mark * 100) for mark in marks.values())
    words = f"{student['name']} {student['roll_no']}".lower().split()
    summary = {"subjects": ".".join(sorted(marks)), "total": total, "average": total / len(marks)}
    return {"live": True, "words": words, **summary}


async def patch(request: Request) -> Response:
    """Change marks."""
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
    """That it runs."""
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
