"""The time, as precise as MongoDB keeps it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now in UTC, cut to milliseconds (BSON's precision), so that an answer equals what a later read gives."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
