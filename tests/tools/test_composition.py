"""The database of `compose.yaml`, without a container engine: its three mongods under their own names in a network that
leads nowhere, its health check, and `deploy/initiate.js`, by the real mongosh."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from core.database.embedded import find_mongod
from tests.processes import ROOT
from tests.tools.npm import install

pytestmark = pytest.mark.process

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
ADDRESSES = {"mongo1": "127.0.0.11", "mongo2": "127.0.0.12", "mongo3": "127.0.0.13"}

APART = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
AS_IF_ROOT = [] if os.geteuid() == 0 else ["--map-root-user"]

STATES = "print(rs.status().members.map((one) => one.stateStr).sort(), rs.conf().settings.electionTimeoutMillis)"


def apart(folder: Path, script: str, **environment: str) -> str:
    """What a shell script prints in a network and with processes of its own, which end with it."""
    done = subprocess.run(
        [*APART, *AS_IF_ROOT, "sh", "-euc", script],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def mongosh(tmp_path: Path) -> str:
    if not shutil.which("ip") or subprocess.run([*APART, *AS_IF_ROOT, "true"], check=False).returncode:
        pytest.skip("no network of its own can be made here: initiate.js was not run")
    return str(install(tmp_path, "mongosh@2.12.0") / "mongosh")


def start(service: str, folder: Path) -> str:
    """The command of a service, at its own address, with its data in a folder."""
    mongod = find_mongod(None, folder)
    assert mongod
    program, *flags = SERVICES[service]["command"]
    assert program == "mongod"
    (folder / service).mkdir()
    there = ["--bind_ip", ADDRESSES[service], "--nounixsocket", "--dbpath", service, "--logpath", f"{service}.log"]
    return shlex.join([str(mongod.path), *(flag for flag in flags if flag != "--bind_ip_all"), *there]) + " &"


def test_the_three_become_one_replica_set_that_carries_the_service(tmp_path: Path, mongosh: str) -> None:
    (tmp_path / "hosts").write_text("".join(f"{address} {name}\n" for name, address in ADDRESSES.items()))
    names = {"mongosh": mongosh, "/initiate.js": str(ROOT / "deploy" / "initiate.js")}
    initiate = shlex.join(names.get(word, word) for word in SERVICES["initiate"]["command"])
    steps = ["ip link set lo up", "mount --bind hosts /etc/hosts"]
    for service in ADDRESSES:
        _, *probe = (names.get(word, word) for word in SERVICES[service]["healthcheck"]["test"])
        steps += [start(service, tmp_path), f"until {shlex.join(probe)} --host {service}; do sleep 0.2; done"]
    steps += [initiate, initiate]  # a second time, without effect
    steps += [shlex.join([mongosh, "--quiet", "--host", "mongo1", "--eval", STATES])]
    steps += [f"{sys.executable} -m core {command}" for command in ("migrate", "check")]

    printed = apart(
        tmp_path, "\n".join(steps), PYTHONPATH=str(ROOT), METRICS_TOKEN="0" * 64, **SERVICES["api"]["environment"]
    )
    assert "[ 'PRIMARY', 'SECONDARY', 'SECONDARY' ] 2000" in printed
    assert "Using the MongoDB server at mongo1:27017, mongo2:27017, mongo3:27017;" in printed
    assert printed.endswith("No problems found.\n")
