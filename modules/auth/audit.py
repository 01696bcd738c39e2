"""The audit log: one entry for each event of an account. No entry contains a password, a key, a code or a token."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from core.clock import utc_now
from core.database import Page, Window
from core.middleware import current_request
from modules.auth.models import AuthEvent
from modules.auth.settings import AuthSettings


class Event(StrEnum):
    """The events of an account that the audit log records."""

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
    """Insert one entry: `who` caused the event (None if nobody was signed in), `whom` it concerns (None if there is no
    such account). User names are stored in lower case, so that searches ignore case."""
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
    """Return one page of entries, optionally only those of one kind, and those about or by one user."""
    query: dict[str, Any] = dict(window.filter)
    if event is not None:
        query["event"] = event
    if username is not None:
        query["$or"] = [{"whom": username.lower()}, {"who": username.lower()}]
    return window.page(await AuthEvent.find(query).sort(window.sort).limit(window.limit + 1).to_list())
