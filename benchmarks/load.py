"""Load generation: as many requests as a server can handle on a few connections, each of them timed.

The generator is wrk if it is installed, because it takes the least CPU time from the server, or else our own client
in a separate process. wrk drops the requests in flight at the end, so slow requests always use our client.
"""

import asyncio
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

from benchmarks import wrk
from benchmarks.common import UnexpectedStatus
from benchmarks.scenarios import Load

LINE_END = b"\r\n"


@dataclass(frozen=True)
class Answered:
    """The result of a load. `p50` and `p99` are in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float


def generator() -> str:
    """Return the name of the load generator on this machine."""
    return wrk.version() if shutil.which("wrk") else "own client"


@contextmanager
def open_generator() -> Iterator[Callable[[Load], Answered]]:
    """Yield a function that runs a load. It raises `UnexpectedStatus` for a response with another status than the
    scenario's, and for a missing response."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(os.getpid).result()  # starts the process before the first load

        def run_load(load: Load) -> Answered:
            if shutil.which("wrk") and not load.scenario.slow:
                return Answered(**wrk.run(load))
            return pool.submit(run_own, load).result()

        yield run_load


def run_own(load: Load) -> Answered:
    """Run a load in this process with our own client."""
    return asyncio.run(_ask(load))


async def _ask(load: Load) -> Answered:
    times: list[float] = []
    numbers = count(load.first)
    start = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(load.connections):
                group.create_task(_connection(load, numbers, times, start + load.seconds))
    except ExceptionGroup as group:
        raise UnexpectedStatus(f"{load.scenario.name} at {load.url}: {group.exceptions[0]!r}") from group
    times.sort()
    p50, p99 = (times[int(share * (len(times) - 1))] * 1000 for share in (0.5, 0.99))
    return Answered(len(times), time.perf_counter() - start, p50, p99)


async def _connection(load: Load, numbers: "count[int]", times: list[float], end: float) -> None:
    """Send requests until the end, but at least one, and record the seconds until each response."""
    address = urlsplit(load.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        while True:
            asked = time.perf_counter()
            writer.write(request(load, next(numbers)))
            status, body = await _answer(reader)
            if status != load.scenario.status:
                raise UnexpectedStatus(f"{status} {body.decode(errors='replace')}")
            now = time.perf_counter()
            times.append(now - asked)
            if now >= end:
                break
    finally:
        writer.close()


def request(load: Load, number: int) -> bytes:
    """Return the bytes of one HTTP request."""
    scenario = load.scenario
    body = load.filled(scenario.body, number).encode()
    headers = {"Host": urlsplit(load.url).netloc, **load.headers()} | ({"Content-Length": len(body)} if body else {})
    lines = [f"{scenario.method} {load.filled(scenario.path, number)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return LINE_END.join([line.encode() for line in lines] + [b"", body])


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read the next response and return its status and body. It must have a Content-Length."""
    head = (await reader.readuntil(LINE_END * 2)).lower()
    _, _, length = head.partition(b"content-length: ")
    return int(head.split(maxsplit=2)[1]), await reader.readexactly(int(length.partition(LINE_END)[0]))
