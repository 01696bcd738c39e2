"""Rankings read by indexes, and do not scan all students."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.students import StudentDocument
from tests.analytics.classroom import store_students, student

Commands = list[dict[str, Any]]
STUDENTS = 400


@pytest.fixture
def school(api: TestClient) -> TestClient:
    subjects = ("math", "art", "music")
    store_students(
        api,
        [student(f"S{n:03}", dict.fromkeys(subjects[: n % 4], n % 50), f"Branch {n % 20}") for n in range(STUDENTS)],
    )
    return api


def profiled(client: TestClient, address: str) -> Commands:
    """Request an address. Return the commands that the database profiler recorded meanwhile."""
    assert client.portal

    async def profile(level: int) -> Commands:
        database = StudentDocument.get_motor_collection().database
        await database.command("profile", level)
        found = {"ns": f"{database.name}.students", "op": {"$in": ["query", "command"]}}
        return list(await database["system.profile"].find(found).to_list(None)) if not level else []

    async def clear() -> None:
        await StudentDocument.get_motor_collection().database["system.profile"].drop()

    client.portal.call(clear)
    client.portal.call(profile, 2)
    try:
        answer = client.get(address)
    finally:
        commands = client.portal.call(profile, 0)
        client.portal.call(clear)
    assert answer.status_code == 200
    assert commands
    return commands


@pytest.mark.parametrize("by", ["total", "average", "math"])
@pytest.mark.parametrize("branch", ["", "&branch=Branch%203"])
def test_a_ranking_reads_no_whole_collection(school: TestClient, by: str, branch: str) -> None:
    address = f"/rankings?by={by}&limit=5{branch}"
    second = school.get(address).links["next"]["url"]
    previous = school.get(second).links["prev"]["url"]

    for page in (address, second, previous):
        plans = [command["planSummary"] for command in profiled(school, page) if "planSummary" in command]
        assert plans
        assert not [plan for plan in plans if "COLLSCAN" in plan]


@pytest.mark.parametrize("by", ["total", "average", "math"])
def test_a_page_of_a_ranking_examines_few_students(school: TestClient, by: str) -> None:
    first = f"/rankings?by={by}&limit=5"

    for page in (first, school.get(first).links["next"]["url"]):
        examined = sum(command.get("docsExamined", 0) for command in profiled(school, page))
        assert examined <= STUDENTS / 4


def test_a_report_card_reads_all_students_only_once(school: TestClient) -> None:
    plans = [command.get("planSummary", "") for command in profiled(school, "/report-cards/S003")]

    assert plans.count("COLLSCAN") == 1
