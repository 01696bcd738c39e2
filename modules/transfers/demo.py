"""The import of the made-up school: marks in a new subject for all students, with one row that is wrong."""

from collections.abc import AsyncIterator

from beanie import PydanticObjectId

from core.command import CommandError
from core.identity import Role
from core.module import Demo
from modules.students import MarkSettings, StudentReader
from modules.transfers.imports import import_job, job_runner, service
from modules.transfers.imports.query import ImportQuery
from modules.transfers.models import Import, State
from modules.transfers.schemas import EXAMPLE_ID

_SUBJECT = "geography"
_FILE = f"{_SUBJECT}.csv"
_WRONG_ROW = 17


async def _fill() -> str:
    options = ImportQuery(on_error="skip").options
    job = Import(id=PydanticObjectId(EXAMPLE_ID), by=Role.TEACHER, options=options, format="csv", filename=_FILE)
    await service.begin(job)
    await service.receive(job, _file())
    async with job_runner.heartbeat(job):
        await import_job.run(job)
    if job.state is not State.DONE:
        raise CommandError(f"The import of {_FILE} failed: {job.detail or job.state}")
    return f"1 import of {job.rows} rows, {job.failed} of them wrong: GET /imports/{job.id}"


async def _file() -> AsyncIterator[bytes]:
    most = MarkSettings.current().max
    yield f"roll_no,name,branch,{_SUBJECT}\n".encode()
    number = 0
    async for page in StudentReader().pages(["roll_no", "name", "branch"]):
        for student in page:
            number += 1
            share = 9.5 if number == _WRONG_ROW else (50 + number * 17 % 50) / 100
            mark = f"{round(most * share * 2) / 2}".removesuffix(".0")
            yield f"{student['roll_no']},{student['name']},{student['branch']},{mark}\n".encode()


demo = Demo(documents=(Import,), fill=_fill)
