"""Under a load that lasts, nothing goes wrong, and neither memory nor descriptors grow.

`SOAK_MINUTES` is how long it lasts. A leak of a kilobyte a request would be two megabytes a minute; in half a minute
that is lost in the noise, so the short run only tells what is far worse.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.faults.day import Person
from tests.faults.usage import Series, descriptors, family, memory
from tests.processes import running
from tests.servers import Server
from tests.tools.school import FOR_TESTERS, PASSWORD, Accounts, data_faults, school

pytestmark = pytest.mark.process

MINUTES = float(os.environ.get("SOAK_MINUTES", "0.5"))
PEOPLE = 4
PAUSE = 0.1

# Caches and pools fill, and what is imported late is, in the first third.
WARM_UP = MINUTES / 3
SAMPLES = 120

# By how much the last third of what is measured may be above the first. Memory that is asked for once is kept by
# Python for later; connections come and go.
MOST_KB = 3_000 if MINUTES >= 5 else 40_000
MOST_DESCRIPTORS = 20


def test_memory_and_descriptors_stay_as_they_are(tmp_path: Path) -> None:
    over = Event()
    with school(tmp_path, WORKERS="2", **FOR_TESTERS) as server:
        accounts = Accounts(server.url)
        people = [
            Person(accounts.newcomer("admin"), PASSWORD, server.url, PAUSE, over, exchanges=number < 2)
            for number in range(PEOPLE)
        ]
        accounts.close()
        with ThreadPoolExecutor(PEOPLE) as pool:
            work = [pool.submit(person.work) for person in people]
            try:
                measured = measure(server, tmp_path / "data", people)
            finally:
                over.set()
            for one in work:
                one.result()
        stored_wrong = data_faults(tmp_path, **FOR_TESTERS)
        errors = [line for line in server.log_lines() if line.get("level") in ("ERROR", "CRITICAL")]
    assert [wrong for person in people for wrong in person.wrong] == []
    print(f"{sum(person.asked.total() for person in people):,} requests in {MINUTES:g} minutes")
    print("\n".join(map(str, measured)))
    assert errors == []
    assert stored_wrong == []
    service_memory, service_descriptors, _, database_descriptors = measured
    assert service_memory.growth < MOST_KB
    assert service_descriptors.growth < MOST_DESCRIPTORS
    assert database_descriptors.growth < MOST_DESCRIPTORS


def measure(server: Server, data: Path, people: list[Person]) -> list[Series]:
    """The service's memory and descriptors, and the database's, after the warm-up."""
    database = set(running(data))
    service = family(server.process.pid) - database
    series = [
        (Series("memory of the service", "kB"), memory, service),
        (Series("descriptors of the service", ""), descriptors, service),
        (Series("memory of the database (a cache that fills)", "kB"), memory, database),
        (Series("descriptors of the database", ""), descriptors, database),
    ]
    begun = time.monotonic()
    while (minute := (time.monotonic() - begun) / 60) < MINUTES and not any(person.wrong for person in people):
        for one, take, pids in series:
            one.add(minute, take(pids))
        time.sleep(MINUTES * 60 / SAMPLES)
    return [one.since(WARM_UP) for one, _, _ in series]
