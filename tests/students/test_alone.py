"""Student records without the auth module: any module that provides an authenticator is enough."""

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
from core.identity import Principal, Role
from core.module import Module
from modules.students import module

async def authenticate(token):
    return Principal(token, Role.TEACHER)

with TestClient(create_app(modules=[module, Module(name="stand_in", authenticator=authenticate)])) as client:
    client.headers["Authorization"] = "Bearer asha"
    body = {"roll_no": "S1", "name": "n", "branch": "b", "marks": {"math": 1}}
    print(client.post("/students", json=body).status_code)
    print(client.get("/students").json()[0]["marks"])
    print(client.put("/students/S1", json=body).status_code)
    print(client.delete("/students/S1").status_code)
    print(client.post("/login").status_code)
print([name for name in sys.modules if name.startswith("modules.auth")])
"""


def test_students_are_stored_without_the_auth_module(settings: Settings) -> None:
    assert settings.mongodb_url
    environment = {
        "MONGODB_URL": settings.mongodb_url.get_secret_value(),
        "MONGODB_DATABASE": settings.mongodb_database,
    }

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.split("\n") == ["201", "{'math': 1}", "200", "204", "404", "[]", ""], done.stderr
