"""Who may call an operation: the ways to show who one is, and the role that it takes."""

from typing import Any

from core.identity import Role

BEARER = "AccessToken"

_LEAST = next(iter(Role))


def document_schemes(document: dict[str, Any]) -> None:
    """Add the plain bearer scheme to the OAuth2 one, for clients that have a token already."""
    schemes = document["components"].setdefault("securitySchemes", {})
    schemes[BEARER] = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token from `POST /login`, sent as `Authorization: Bearer …`.",
    }


def document_access(operation: dict[str, Any]) -> None:
    """Say in words, and as `x-required-role`, which role the operation takes; each scope of ours is a role. One that no
    user's token opens may say itself, as `x-access`, whom it is for."""
    everyone = operation.pop("x-access", "Open to everyone: it takes no token.")
    requirements = operation.setdefault("security", [])
    if not requirements:
        _say(operation, everyone)
        return
    scopes = [scope for requirement in requirements for names in requirement.values() for scope in names]
    role = max(map(Role, scopes), key=list(Role).index, default=_LEAST)
    requirements.append({BEARER: scopes})
    operation["x-required-role"] = str(role)
    _say(operation, "Needs a signed-in user." if role is _LEAST else f"Needs the role `{role}`.")


def _say(operation: dict[str, Any], sentence: str) -> None:
    operation["description"] = f"{operation['description']}\n\n{sentence}".strip()
