"""A lasting load causes no error, and neither memory nor descriptors grow.

`SOAK_MINUTES` is the length of the load. A leak of a kilobyte per request would be two megabytes per minute. In half a
minute that is lost in the noise, so the short run finds only much larger leaks.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.faults.school_day import Person
from tests.faults.usage import Series, descriptors, memory, process_tree
from tests.processes import running
from tests.servers import Server
from tests.tools.school import FOR_TESTERS, PASSWORD, Accounts, data_faults, school

pytestmark = pytest.mark.process

MINUTES = float(os.environ.get("SOAK_MINUTES", "0.5"))
PEOPLE = 4
PAUSE = 0.1

# In the first third, caches and pools fill, and Python imports what it needs late.
WARM_UP = MINUTES / 3
SAMPLES = 120

# The most by which the median of the last third may exceed that of the first third. Python keeps memory that was once
# allocated, and the number of connections varies.
MAX_GROWTH_KB = 3_000 if MINUTES >= 5 else 40_000
MAX_GROWTH_DESCRIPTORS = 20


def test_memory_and_descriptors_do_not_grow(tmp_path: Path) -> None:
    stop = Event()
    with school(tmp_path, WORKERS="2", **FOR_TESTERS) as server:
        accounts = Accounts(server.url)
        people = [
            Person(accounts.newcomer("admin"), PASSWORD, server.url, PAUSE, stop, transfers=number < 2)
            for number in range(PEOPLE)
        ]
        accounts.close()
        with ThreadPoolExecutor(PEOPLE) as pool:
            work = [pool.submit(person.work) for person in people]
            try:
                measured = measure(server, tmp_path / "data", people)
            finally:
                stop.set()
            for one in work:
                one.result()
        stored_wrong = data_faults(tmp_path, **FOR_TESTERS)
        errors = [line for line in server.log_lines() if line.get("level") in ("ERROR", "CRITICAL")]
    assert [wrong for person in people for wrong in person.wrong] == []
    print(f"{sum(person.requests.total() for person in people):,} requests in {MINUTES:g} minutes")
    print("\n".join(map(str, measured)))
    assert errors == []
    assert stored_wrong == []
    service_memory, service_descriptors, _, database_descriptors = measured
    assert service_memory.growth < MAX_GROWTH_KB
    assert service_descriptors.growth < MAX_GROWTH_DESCRIPTORS
    assert database_descriptors.growth < MAX_GROWTH_DESCRIPTORS


def measure(server: Server, data: Path, people: list[Person]) -> list[Series]:
    """Return the memory and the descriptors of the service and of the database, measured after the warm-up."""
    database = set(running(data))
    service = process_tree(server.process.pid) - database
    series = [
        (Series("memory of the service", "kB"), memory, service),
        (Series("descriptors of the service", ""), descriptors, service),
        (Series("memory of the database (a cache that fills)", "kB"), memory, database),
        (Series("descriptors of the database", ""), descriptors, database),
    ]
    begun = time.monotonic()
    while (minute := (time.monotonic() - begun) / 60) < MINUTES and not any(person.wrong for person in people):
        for one, measurement, pids in series:
            one.add(minute, measurement(pids))
        time.sleep(MINUTES * 60 / SAMPLES)
    return [one.since(WARM_UP) for one, _, _ in series]
