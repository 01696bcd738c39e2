"""Documentation of authentication schemes and of the role that each operation requires."""

from typing import Any

from core.identity import Role

BEARER = "AccessToken"

_LEAST = next(iter(Role))


def document_schemes(document: dict[str, Any]) -> None:
    """Add a plain bearer scheme besides OAuth2, for clients that already have a token.

    OAuth2 is the last one, because Swagger UI focuses the first field of the last scheme: the user name.
    """
    bearer = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token from `POST /login`, sent as `Authorization: Bearer …`.",
    }
    components = document["components"]
    components["securitySchemes"] = {BEARER: bearer, **components.get("securitySchemes", {})}


def document_access(operation: dict[str, Any]) -> None:
    """Document the role that the operation requires, in its description and as `x-required-role`; each scope is a role.

    An operation that does not use users' tokens may describe in `x-access` who can call it.
    """
    everyone = operation.pop("x-access", "No authentication is required.")
    requirements = operation.setdefault("security", [])
    if not requirements:
        _append(operation, everyone)
        return
    scopes = [scope for requirement in requirements for names in requirement.values() for scope in names]
    role = max(map(Role, scopes), key=list(Role).index, default=_LEAST)
    requirements.append({BEARER: scopes})
    operation["x-required-role"] = str(role)
    _append(operation, "Requires a signed-in user." if role is _LEAST else f"Requires the role `{role}`.")


def _append(operation: dict[str, Any], sentence: str) -> None:
    operation["description"] = f"{operation['description']}\n\n{sentence}".strip()
