"""The accounts of the made-up school: one for each role, named after it."""

import secrets

from core.identity import Role
from core.module import Demo
from modules.auth.commands import create_account
from modules.auth.models import User
from modules.auth.schemas import UserCreate


async def _fill() -> str:
    lines = ["Accounts, with passwords that are shown only now:"]
    for role in Role:
        password = secrets.token_urlsafe(12)  # not a known one, as the service may be reachable by others
        account = {"username": role.value, "email": f"{role}@example.com", "password": password}
        await create_account(UserCreate.model_validate(account), role)
        lines.append(f"  {role:8} {password}")
    return "\n".join(lines)


demo = Demo(documents=(User,), fill=_fill)
