"""The audit: one row for each thing that happens to an account. No row holds a password, a key, a code or a token."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from core.clock import utc_now
from core.database import Page, Window
from core.middleware import current_request
from modules.auth.models import AuthEvent
from modules.auth.settings import AuthSettings


class Event(StrEnum):
    """What can happen to an account."""

    REGISTERED = "registered"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # the name of an event
    PASSWORD_CHANGE_FAILED = "password_change_failed"  # noqa: S105  # as above
    RESET_STARTED = "reset_started"
    RESET_FINISHED = "reset_finished"
    ROLE_CHANGED = "role_changed"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


async def record(event: Event, *, who: str | None, whom: str | None, detail: str | None = None) -> None:
    """Write one row: `who` did it (None if nobody was signed in), `whom` it concerns (None if no such account).
    Names are kept in lower case, so that they are found in any."""
    caller, now = current_request(), utc_now()
    await AuthEvent(
        at=now,
        event=event,
        who=who and who.lower(),
        whom=whom and whom.lower(),
        address=caller.address,
        request_id=caller.request_id,
        detail=detail,
        expires_at=now + timedelta(days=AuthSettings.current().audit_days),
    ).insert()


async def list_(window: Window, *, event: Event | None = None, username: str | None = None) -> Page[AuthEvent]:
    """The rows of one page; of one kind, and about or by one user, if asked."""
    query: dict[str, Any] = dict(window.filter)
    if event is not None:
        query["event"] = event
    if username is not None:
        query["$or"] = [{"whom": username.lower()}, {"who": username.lower()}]
    return window.page(await AuthEvent.find(query).sort(window.sort).limit(window.limit + 1).to_list())
