"""Tests of the audit log, which records events of accounts and can be read by admins."""

from datetime import UTC, datetime

import pytest

from core.api.pagination import encode_cursor
from modules.auth.models import AuthEvent
from tests.auth.people import PASSWORD, Person, signed_in

BETTER = "seventeen-purple-otters"


def rows(admin: Person, query: str = "") -> list[tuple[str, str | None, str | None]]:
    """Return `event`, `who` and `whom` of each row, the oldest first."""
    answer = admin.ask("GET", f"/auth-events?limit=500{query}")
    assert answer.status_code == 200, answer.text
    return [(row["event"], row["who"], row["whom"]) for row in reversed(answer.json())]


def test_each_event_of_an_account_is_one_row(admin: Person) -> None:
    client = admin.client
    client.post("/register", json={"username": "amy", "email": "amy@example.com", "password": PASSWORD})
    amy = signed_in(client, "amy")
    client.post("/login", data={"username": "amy", "password": "wrong"})
    client.post("/login", data={"username": "nobody", "password": "wrong"})
    amy.ask("PATCH", "/me", {"email": "amy@example.org", "current_password": PASSWORD})
    amy.ask("POST", "/me/password", {"current_password": "wrong", "new_password": BETTER})
    amy.ask("POST", "/me/password", {"current_password": PASSWORD, "new_password": BETTER})
    amy = signed_in(client, "amy", BETTER)
    amy.ask("POST", "/logout-all")
    code = admin.ask("POST", "/users/amy/password-reset").json()["code"]
    client.post("/password-reset", json={"code": code, "new_password": PASSWORD})
    admin.ask("PATCH", "/users/amy", {"role": "viewer"})
    admin.ask("PATCH", "/users/amy", {"active": False})
    admin.ask("PATCH", "/users/amy", {"active": True})
    admin.ask("DELETE", "/users/amy")

    assert rows(admin) == [
        ("signed_in", "principal", "principal"),
        ("registered", "amy", "amy"),
        ("signed_in", "amy", "amy"),
        ("sign_in_failed", None, "amy"),
        ("sign_in_failed", None, None),
        ("email_changed", "amy", "amy"),
        ("password_change_failed", "amy", "amy"),
        ("password_changed", "amy", "amy"),
        ("signed_in", "amy", "amy"),
        ("signed_out_everywhere", "amy", "amy"),
        ("reset_started", "principal", "amy"),
        ("reset_finished", None, "amy"),
        ("role_changed", "principal", "amy"),
        ("deactivated", "principal", "amy"),
        ("activated", "principal", "amy"),
        ("deleted", "principal", "amy"),
    ]


def test_a_row_has_the_time_the_client_address_and_the_request_id(admin: Person, teacher: Person) -> None:
    teacher.client.headers["X-Request-ID"] = "the-request"
    admin.ask("PATCH", "/users/teacher", {"role": "viewer"})

    (row,) = admin.ask("GET", "/auth-events?event=role_changed").json()

    assert row.keys() == {"at", "event", "who", "whom", "address", "request_id", "detail"}
    assert (row["address"], row["request_id"], row["detail"]) == ("testclient", "the-request", "teacher → viewer")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(row["at"])).total_seconds()) < 60


def test_rows_can_be_filtered_and_are_paged_newest_first(admin: Person, teacher: Person) -> None:
    for _ in range(3):
        signed_in(teacher.client, "teacher")

    assert rows(admin, "&event=signed_in&username=TEACHER") == [("signed_in", "teacher", "teacher")] * 4
    assert rows(admin, "&username=principal") == [("signed_in", "principal", "principal")]
    first = admin.ask("GET", "/auth-events?event=signed_in&limit=3")
    second = admin.ask("GET", first.links["next"]["url"])
    assert [row["whom"] for row in first.json() + second.json()] == ["teacher"] * 4 + ["principal"]
    assert "next" not in second.links


@pytest.mark.parametrize("query", ["event=stolen", "username=a%20b", "cursor=x", "since=5"])
def test_the_error_names_an_invalid_parameter(admin: Person, query: str) -> None:
    answer = admin.ask("GET", f"/auth-events?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_forged_cursor_is_refused(admin: Person) -> None:
    cursor = encode_cursor("auth events, newest first", "not the key of a row")

    answer = admin.ask("GET", f"/auth-events?cursor={cursor}")

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (404, "cursor")


def test_rows_are_kept_for_365_days_by_default(admin: Person) -> None:
    async def kept_for() -> float:
        event = await AuthEvent.find_one({})
        assert event
        return (event.expires_at - event.at).days

    assert admin.client.portal
    assert admin.client.portal.call(kept_for) == 365
