"""The current time, at the precision of MongoDB."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time in UTC, truncated to milliseconds (the precision of BSON), so that the response to a
    write equals later reads."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
