"""A served school with an admin, for tools that are clients."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from tests.processes import ROOT
from tests.servers import Server, serve

ADMIN = "tester-in-chief"
PASSWORD = "nobody guesses this harbour"

# The tester mistypes passwords all the time; and how weak a password is no schema can say.
LIMITS = ("LOGIN_FAILURES", "LOGIN_FAILURES_PER_ADDRESS", "LOGIN_ATTEMPTS_PER_ADDRESS", "REGISTRATIONS_PER_ADDRESS")
FOR_TESTERS = dict.fromkeys(LIMITS, "1000000") | {"PASSWORD_MIN_SCORE": "0"}


@contextmanager
def school(folder: Path, **environment: str) -> Iterator[Server]:
    """A running service on the data folder `folder/data`, with the admin `ADMIN`."""
    with serve(folder, **environment) as server:
        made = core_command(folder, "create-admin", ADMIN, "--email", f"{ADMIN}@example.com", **environment)
        assert made.returncode == 0, made.stderr
        yield server


def core_command(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`python -m core` with these arguments on the data folder `folder/data`; a password that it asks for is
    `PASSWORD`."""
    return subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "BCRYPT_COST": "4", **environment},
        input=PASSWORD + "\n",
        text=True,
        check=False,
        capture_output=True,
    )


def data_faults(folder: Path, **environment: str) -> list[str]:
    """What `python -m core check --data` finds wrong with what is stored."""
    checked = core_command(folder, "check", "--data", **environment)
    wrong = [line for line in checked.stdout.splitlines() if line.startswith("Problem: ")]
    return wrong if wrong or checked.returncode == 0 else [checked.stdout + checked.stderr]


class Accounts:
    """Makes accounts of the school at this address, as many as are wanted, and signs them in."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=60)
        self._numbers = count(1)

    def ask(self, method: str, path: str, *, token: str | None = None, **sent: Any) -> Any:
        """What the service answers, which must be a success."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self._client.request(method, path, headers=headers, **sent)
        answer.raise_for_status()
        return answer.json()

    def token(self, username: str) -> str:
        sent = {"username": username, "password": PASSWORD}
        return str(self.ask("POST", "/login", data=sent)["access_token"])

    def newcomer(self, role: str | None = None) -> str:
        """The user name of a new account; `role` if it is to have another one than new accounts have."""
        name = f"newcomer-{next(self._numbers)}"
        self.ask("POST", "/register", json={"username": name, "email": f"{name}@example.com", "password": PASSWORD})
        if role:
            self.ask("PATCH", f"/users/{name}", token=self.token(ADMIN), json={"role": role})
        return name

    def close(self) -> None:
        self._client.close()
