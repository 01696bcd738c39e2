"""Accounts: registering, signing in, and the tokens that each user's own key signs."""

from core.module import Module
from modules.auth.models import User
from modules.auth.router import router
from modules.auth.service import authenticate

__all__ = ["module"]

module = Module(
    name="auth",
    description="Accounts and access tokens. Each user's tokens are signed with that user's own key.",
    public_router=router,
    documents=(User,),
    authenticator=authenticate,
)
