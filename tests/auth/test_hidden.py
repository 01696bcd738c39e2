"""What is stored of an account's secrets shows in no `repr`, and so in no traceback that prints one."""

from modules.auth.models import User


def test_the_secrets_of_an_account_are_not_in_its_repr() -> None:
    secret = {"password": "hunter2-hash", "secret_key": "hunter2-key", "reset_hash": "hunter2-reset"}
    user = User.model_construct(username="alice", email="alice@example.com", **secret)
    assert "alice" in repr(user)
    assert "hunter2" not in f"{user!r} {user}"
