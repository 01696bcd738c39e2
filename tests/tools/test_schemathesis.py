"""A running service answers as its document says, whatever it is asked: Schemathesis, with all of its checks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.tools.school import FOR_TESTERS, data_faults, school

pytestmark = pytest.mark.process

CONFIG = Path(__file__).with_name("schemathesis.toml")

# Of each operation, in the phase that makes requests up; those of the other phases follow from the document.
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")

PATIENCE = 600 + 60 * int(EXAMPLES)


@pytest.mark.slowest
@pytest.mark.needs("schemathesis")
@pytest.mark.timeout(PATIENCE + 60)
def test_whatever_is_asked_is_answered_as_documented(tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    of_modules = sorted(set(CONFIG.parents[1].glob("*/schemathesis.toml")) - {CONFIG})
    config.write_text("\n".join(file.read_text(encoding="utf-8") for file in (CONFIG, *of_modules)))
    with school(tmp_path, **FOR_TESTERS) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
                *("run", f"{server.url}/openapi.json", "--max-examples", EXAMPLES, "--no-color"),
            ],
            cwd=ROOT,
            env=os.environ | {"SCHOOL_URL": server.url},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        asked = [line for line in server.log_lines() if line.get("message") == "request"]
        unhandled = [line for line in server.log_lines() if line.get("level") == "ERROR"]
        stored_wrong = data_faults(tmp_path, **FOR_TESTERS)
    print(f"{len(asked)} requests")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ +{phase}", done.stdout), done.stdout[-3_000:]
    assert unhandled == []
    assert stored_wrong == []
