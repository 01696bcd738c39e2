"""The deployment files, tested without a container engine.

What they name exists, the service runs from the files of the image with the image's commands, and systemd accepts the
unit.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from core.settings import Settings, variables
from tests.conftest import settings_of_modules
from tests.processes import ROOT
from tests.servers import launch

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
STEPS = [
    re.split(r"\s+", step, maxsplit=1)
    for step in re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    if step and not step.startswith("#")
]
KNOWN = {*variables(Settings), *(name for kind in settings_of_modules() for name in variables(kind))}


def steps(kind: str) -> list[str]:
    """Return the arguments of all steps of one kind in the last stage of the Dockerfile."""
    last = max(number for number, (word, _) in enumerate(STEPS) if word == "FROM")
    return [rest for word, rest in STEPS[last:] if word == kind]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in " ".join(steps("ENV")).split())


def command(text: str) -> list[str]:
    """Return a step's command, with the Python of the tests."""
    program, *arguments = json.loads(text)
    assert program == "python"
    return [sys.executable, *arguments]


def test_the_image_runs_without_privileges_from_a_lock_with_hashes() -> None:
    assert steps("USER") == ["10001:10001"]
    install = next(rest for word, rest in STEPS if word == "RUN" and " install " in rest)
    assert "--require-hashes -r /requirements.txt" in install
    assert "--hash=sha256:" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert environment()["ENVIRONMENT"] == "production"


def test_the_packages_that_the_image_uninstalls_are_in_the_lock() -> None:
    (removed,) = [rest for word, rest in STEPS if word == "RUN" and " uninstall " in rest]
    names = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(removed.partition("--yes ")[2].split()) <= names


def test_dockerignore_allows_only_the_files_that_are_copied() -> None:
    first, *others = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    copied = {rest.split()[0] for word, rest in STEPS if word == "COPY" and "--from" not in rest}
    assert first == "*"
    assert {line[1:] for line in others if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.process
def test_the_service_runs_from_the_files_of_the_image(settings: Settings, tmp_path: Path) -> None:
    assert settings.mongodb_url
    image = tmp_path / "image"
    image.mkdir()
    for source, target in (rest.split() for rest in steps("COPY") if "--from" not in rest):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, image / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, image / target)
    (compile_step,) = [rest for rest in steps("RUN") if rest.startswith("python ")]
    subprocess.run([sys.executable, *compile_step.split()[1:]], cwd=image, check=True)

    given = {**environment(), "HOST": "127.0.0.1", "PORT": "0", "MONGODB_DATABASE": settings.mongodb_database}
    given["METRICS_TOKEN"] = "0" * 64
    given.pop("PATH")
    _, *arguments = command(*steps("CMD"))
    server = launch(image, *arguments, **given, MONGODB_URL=settings.mongodb_url.get_secret_value())
    probe = command(steps("HEALTHCHECK")[0].partition("CMD ")[2])
    port = server.url.rpartition(":")[2]
    try:
        assert subprocess.run(probe, env={"PORT": port}, check=False).returncode == 0
    finally:
        assert server.stop() == 0
    assert subprocess.run(probe, env={"PORT": port}, check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_compose_names_only_what_exists() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("environment", {})) <= KNOWN
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]
    url = services["api"]["environment"]["MONGODB_URL"]
    script = (ROOT / "deploy" / "initiate.js").read_text(encoding="utf-8")
    hosts = [f"{name}:27017" for name in services if name.startswith("mongo")]
    assert len(hosts) == 3
    assert all(host in url and f'"{host}"' in script for host in hosts)
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert [name for name, service in services.items() if "ports" in service] == ["api"]
    assert all("healthcheck" in service for name, service in services.items() if name.startswith("mongo"))


@pytest.mark.parametrize("name", ["deploy/api.env.example", "deploy/student-api.service"])
def test_the_settings_in_deployment_files_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".service"):
        text = "\n".join(re.findall(r"^Environment=(\w+=\w+)", text, re.MULTILINE))
    assert set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)) <= KNOWN


@pytest.mark.process
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: the unit was not verified")
    unit = (ROOT / "deploy" / "student-api.service").read_text(encoding="utf-8")
    adapted = unit.replace("/srv/student-api/.venv/bin/python", sys.executable)
    file = tmp_path / "student-api.service"
    file.write_text(adapted.replace("/srv/student-api", str(ROOT)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
