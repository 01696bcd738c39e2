"""Load generation with wrk. A Lua script makes each request unique and reports the figures as JSON."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import UnexpectedStatus
from benchmarks.scenarios import Load

# `setup` gives each thread its own range of numbers. `done` is called once, with the totals of all threads.
SCRIPT = r"""
local threads = 0
function setup(thread)
  thread:set("number", %(first)d + threads * 1000000)
  threads = threads + 1
end

local method, path, body = %(method)s, %(path)s, %(body)s
local headers = { %(headers)s }

local function filled(template)
  local text = template:gsub("{student}", string.format("S%%07d", number %% %(students)d))
  text = text:gsub("{new}", string.format("B%%012d", number))
  return (text:gsub("{mark}", tostring(number %% 97)))
end

function request()
  number = number + 1
  return wrk.format(method, filled(path), headers, body and filled(body))
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %%d, "microseconds": %%d, "p50": %%f, "p99": %%f, "statuses": %%d, "connections": %%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
"""


def version() -> str:
    """Return wrk's name and version."""
    words = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout.split()  # noqa: S607  # the one that is installed
    return " ".join(words[:2])


def run(load: Load) -> dict[str, Any]:
    """Run a load and return the number of requests, the seconds, and p50 and p99 in milliseconds. Raise
    `UnexpectedStatus` if a request failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(script_for(load))
        script.flush()
        done = subprocess.run(  # noqa: S603  # our own command
            command(load, Path(script.name)), capture_output=True, text=True, check=False
        )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        raise UnexpectedStatus(f"{load.scenario.name} at {load.url}: {done.stdout} {done.stderr}")
    found = json.loads(lines[-1])
    if found["statuses"] or found["connections"] or not found["requests"]:
        raise UnexpectedStatus(f"{load.scenario.name} at {load.url}: {lines[-1]}")
    times = {share: found[share] / 1000 for share in ("p50", "p99")}
    return {"requests": found["requests"], "seconds": found["microseconds"] / 1e6} | times


def command(load: Load, script: Path) -> list[str]:
    """Return the command line. A single thread is fast enough for all connections; wrk accepts whole seconds only."""
    seconds = max(1, round(load.seconds))
    options = {"--threads": 1, "--connections": load.connections, "--duration": f"{seconds}s", "--timeout": "30s"}
    return ["wrk", *(str(word) for pair in options.items() for word in pair), "--script", str(script), load.url]


def script_for(load: Load) -> str:
    """Return the Lua script of a load."""
    scenario = load.scenario
    headers = ", ".join(f"[{quoted(name)}] = {quoted(value)}" for name, value in load.headers().items())
    texts = {"method": quoted(scenario.method), "path": quoted(scenario.path), "headers": headers}
    body = quoted(scenario.body) if scenario.body else "nil"
    return SCRIPT % {**texts, "body": body, "first": load.first, "students": load.students}


def quoted(text: str) -> str:
    """Return a Lua string literal. The texts used here have no characters that JSON and Lua escape differently."""
    return json.dumps(text)
