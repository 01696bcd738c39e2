"""Test that accounts work with no other feature module loaded."""

import subprocess
import sys

import pytest

from core.settings import Settings
from tests.processes import ROOT

pytestmark = pytest.mark.process

PROGRAM = """
import sys
from fastapi.testclient import TestClient
from core.app import create_app
from modules.auth import module

with TestClient(create_app(modules=[module])) as client:
    body = {"username": "alice", "email": "alice@example.com", "password": "secure123"}
    print(client.post("/register", json=body).status_code)
    print(client.post("/login", data=body).status_code)
    print(client.get("/students").status_code)
print([name for name in sys.modules if name.startswith("modules.students")])
"""


def test_accounts_work_with_no_other_module_loaded(settings: Settings) -> None:
    assert settings.mongodb_url
    environment = {
        "MONGODB_URL": settings.mongodb_url.get_secret_value(),
        "MONGODB_DATABASE": settings.mongodb_database,
        "BCRYPT_COST": "4",
    }

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.split("\n") == ["201", "200", "404", "[]", ""], done.stderr
