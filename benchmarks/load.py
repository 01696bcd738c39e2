"""The load: as many requests as a server answers on a few connections, and how long each took.

wrk makes it where that is installed, for it takes least from the server's cores; else a client of our own, in a process
of its own. Requests in flight when the time is over are lost with wrk, so slow ones are always left to our client.
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
    """What a load came to; `p50` and `p99` are milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float


def generator() -> str:
    """What makes the load here."""
    return wrk.version() if shutil.which("wrk") else "own client"


@contextmanager
def open_generator() -> Iterator[Callable[[Load], Answered]]:
    """What asks for so long, as the load says. Raises `UnexpectedStatus` for any answer but the scenario's, and for
    none."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(os.getpid).result()  # there before the first load

        def run_load(load: Load) -> Answered:
            if shutil.which("wrk") and not load.scenario.slow:
                return Answered(**wrk.run(load))
            return pool.submit(run_own, load).result()

        yield run_load


def run_own(load: Load) -> Answered:
    """The same in this process and with our client."""
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
    """Ask once at least, and until the end; note the seconds that each answer took."""
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
    """One request as it goes over the wire."""
    scenario = load.scenario
    body = load.filled(scenario.body, number).encode()
    headers = {"Host": urlsplit(load.url).netloc, **load.headers()} | ({"Content-Length": len(body)} if body else {})
    lines = [f"{scenario.method} {load.filled(scenario.path, number)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return LINE_END.join([line.encode() for line in lines] + [b"", body])


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The status and the body of the next answer, whose length must be announced."""
    head = (await reader.readuntil(LINE_END * 2)).lower()
    _, _, length = head.partition(b"content-length: ")
    return int(head.split(maxsplit=2)[1]), await reader.readexactly(int(length.partition(LINE_END)[0]))
