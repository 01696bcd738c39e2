"""Accounts: registration, sign-in, and access tokens that are signed with each user's own key."""

from core.module import Every, Module
from modules.auth import migrations
from modules.auth.commands import create_admin
from modules.auth.demo import demo
from modules.auth.error_codes import ERROR_CODES
from modules.auth.models import AdminRoster, AuthEvent, LoginFailures, RetiredUsername, User, UsernameHashKey
from modules.auth.router import public_router, router
from modules.auth.settings import AuthSettings
from modules.auth.token_cache_invalidation import PAUSE_SECONDS, lifespan, watch_accounts
from modules.auth.tokens import authenticate

__all__ = ["module"]

module = Module(
    name="auth",
    description="Accounts and access tokens. Each user's tokens are signed with that user's own key.",
    position=10,
    router=router,
    migrations=migrations,
    settings=AuthSettings,
    public_router=public_router,
    documents=(User, RetiredUsername, UsernameHashKey, AdminRoster, LoginFailures, AuthEvent),
    authenticator=authenticate,
    lifespan=lifespan,
    jobs=(Every(PAUSE_SECONDS, watch_accounts, endless=True),),
    commands=(create_admin,),
    error_codes=ERROR_CODES,
    demo=demo,
)
