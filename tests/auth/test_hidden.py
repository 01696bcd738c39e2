"""Test that the `repr` of an account, which tracebacks may print, contains no secrets."""

from modules.auth.models import User


def test_the_secrets_of_an_account_are_not_in_its_repr() -> None:
    secret = {"password": "hunter2-hash", "secret_key": "hunter2-key", "reset_hash": "hunter2-reset"}
    user = User.model_construct(username="alice", email="alice@example.com", **secret)
    assert "alice" in repr(user)
    assert "hunter2" not in f"{user!r} {user}"
