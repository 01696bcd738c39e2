"""A served school with an admin, for tools that are clients."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ROOT
from tests.servers import Server, serve

ADMIN = "tester-in-chief"
PASSWORD = "nobody guesses this harbour"


@contextmanager
def school(folder: Path, **environment: str) -> Iterator[Server]:
    """A running service on the data folder `folder/data`, with the admin `ADMIN`."""
    with serve(folder, **environment) as server:
        subprocess.run(
            [sys.executable, "-m", "core", "create-admin", ADMIN, "--email", f"{ADMIN}@example.com"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "BCRYPT_COST": "4", **environment},
            input=PASSWORD + "\n",
            text=True,
            check=True,
            capture_output=True,
        )
        yield server
