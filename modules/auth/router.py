"""The addresses of accounts. All of them are public."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.security import OAuth2PasswordRequestForm

from core.openapi import header, problem_responses
from modules.auth import service
from modules.auth.oauth import OAuthRoute
from modules.auth.schemas import Token, UserCreate, UserRead
from modules.auth.service import EmailTaken, UsernameTaken, WrongCredentials

router = APIRouter()
# Larger forms are refused before they are decoded, which for a megabyte of %-signs would take half a second.
oauth = APIRouter(route_class=OAuthRoute, form_limits={"max_fields": 20, "max_part_size": 4096})

NO_STORE = header("Cache-Control", "`no-store`: a token belongs in no cache.")


@router.post("/register", status_code=201, responses=problem_responses(UsernameTaken, EmailTaken))
async def register(data: UserCreate) -> UserRead:
    """Register a new account."""
    return UserRead.model_validate(await service.register(data))


@oauth.post("/login", responses={200: {"headers": NO_STORE}, **problem_responses(WrongCredentials)})
async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()], response: Response) -> Token:
    """Sign in with user name and password, and get an access token."""
    response.headers["Cache-Control"] = "no-store"
    return await service.sign_in(form.username, form.password)


router.include_router(oauth)
