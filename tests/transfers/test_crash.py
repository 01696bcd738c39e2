"""An import that is killed at any step can be finished or undone completely."""

import itertools
from collections.abc import Iterator

import httpx2
import pytest

from modules.transfers.imports.row_reader import BATCH
from tests.servers import PATIENCE
from tests.transfers.helpers import CSV, counts, imported, students
from tests.transfers.killed import School, assert_complete, content_of, file_of, open_school, prepare

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

ROWS = BATCH + 100  # so that one batch is prepared while another is written
FEWEST_WRITES = 15


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    with open_school(tmp_path_factory.mktemp("crash"), "tests.dying_app:app") as school:
        yield school


def import_and_kill(school: School, after: int) -> bool:
    """Import the file, kill the server after this number of writes, and restart it. Return whether the import was
    unfinished when the server was killed."""
    headers = {"Content-Type": CSV, "X-Die-After": str(after)}
    try:
        answer = school.client.post("/imports?on_error=skip", content=file_of(ROWS).encode(), headers=headers)
    except httpx2.TransportError:
        school.restart(lambda server: server.process.wait(PATIENCE))
        return True
    assert answer.status_code == 201, answer.text
    return False


@pytest.mark.slowest
def test_an_import_that_is_killed_at_any_step_can_be_finished_or_undone(school: School) -> None:
    ends = []
    for step in itertools.count(1):
        school.clear()
        before, expected = prepare(school, ROWS)
        school.database["imports"].delete_many({})
        if not import_and_kill(school, step):
            break
        ends.append(recover(school, before, expected, undo=step % 2 == 0))

    assert len(ends) >= FEWEST_WRITES, ends
    assert {"sent again", "finished", "undone"} <= set(ends)


def recover(school: School, before: object, expected: tuple[int, ...], *, undo: bool) -> str:
    """Finish or undo the import after a crash, assert the result, and return what was done."""
    work = school.database["imports"].find_one({})
    if work is None or work["state"] == "receiving":
        assert students(school.client) == before
        assert counts(imported(school.client, file_of(ROWS), on_error="skip")) == expected
        assert students(school.client) == content_of(ROWS)
        return "sent again"
    path = f"/imports/{work['_id']}"
    if undo:
        undone = school.ask("POST", f"{path}/undo", 200)
        assert (undone["state"], undone["kept_count"]) == ("undone", 0)
        assert students(school.client) == before
        return "undone"
    if work["state"] == "done":
        assert students(school.client) == content_of(ROWS)
        return "done"
    finished = school.ask("POST", f"{path}/resume", 200)
    assert (finished["state"], counts(finished)) == ("done", expected)
    assert_complete(school, str(work["_id"]), ROWS)
    return "finished"
