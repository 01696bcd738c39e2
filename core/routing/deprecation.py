"""The announcement that a route will be removed: headers of its responses, and its documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Deprecation:
    """When a route was deprecated, and the first day on which it may be missing.

    Raise `ValueError` if the route would be removed before it is deprecated (RFC 9745, section 4).
    """

    since: date
    sunset: date

    def __post_init__(self) -> None:
        if self.sunset < self.since:
            raise ValueError("A route cannot be removed before it is deprecated.")

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The headers `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) of each response, with the start of each day in
        UTC."""
        since, sunset = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (self.since, self.sunset))
        return (
            (b"deprecation", f"@{int(since.timestamp())}".encode()),
            (b"sunset", format_datetime(sunset, usegmt=True).encode()),
        )

    @property
    def documentation(self) -> dict[str, Any]:
        """The members of the route's operation in the OpenAPI document."""
        return {"x-deprecated-since": self.since.isoformat(), "x-sunset": self.sunset.isoformat()}


def deprecation(*, since: date, sunset: date) -> Any:
    """Return the argument `deprecated` of a route: it is deprecated since one day, and may be removed on another.

    FastAPI declares this argument as a boolean, hence `Any`.
    """
    return Deprecation(since, sunset)
