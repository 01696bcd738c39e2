"""The routes of imports."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from beanie import PydanticObjectId
from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from core.api import LINK, CursorNotFound, Listing, PageQuery, problem_responses, url_path
from core.database import SortKey, object_id
from core.errors import Forbidden
from core.identity import CurrentUser, Role, at_least, verify_account, verify_caller
from core.middleware import allow_body
from core.routing import KeyReused, ProtectedRouter, hashed_key
from modules.transfers.downloads.query import XLSX
from modules.transfers.files import file_store
from modules.transfers.files.file_store import FileDeleted
from modules.transfers.files.table import InvalidFile
from modules.transfers.files.upload import Upload, uploaded, uploaded_form
from modules.transfers.imports import (
    failed_rows_csv,
    failed_rows_xlsx,
    import_job,
    job_runner,
    progress_events,
    service,
    undo,
)
from modules.transfers.imports.job_runner import TooManyImports
from modules.transfers.imports.preview import preview
from modules.transfers.imports.query import ImportHeaders, ImportQuery
from modules.transfers.imports.service import ImportNotFound, ImportRejected, NothingToDo
from modules.transfers.models import Import, State
from modules.transfers.responses import CREATED, FAILED_ROWS, FILE, FORM, MARKED_ROWS, PROGRESS, PROGRESS_OR_END
from modules.transfers.schemas import EXAMPLE_ID, ImportRead, PreviewRead
from modules.transfers.settings import ImportSettings
from modules.transfers.streams import Stream, TooManyStreams, download, table_download, while_permitted

router = ProtectedRouter()

WRITER = at_least(Role.TEACHER)
IMPORTS = Listing("imports", (SortKey("_id", descending=True, parse=object_id),))
IdInPath = Annotated[str, Path(description="The id of the import.", max_length=64, examples=[EXAMPLE_ID])]
Prefer = Annotated[
    str | None,
    Header(
        description="`respond-async`: respond with 202 immediately (RFC 7240).",
        max_length=200,
        examples=["respond-async"],
    ),
]


# What the routes that start an import have in common.
IMPORT: dict[str, Any] = {
    "status_code": 201,
    "response_model": ImportRead,
    "dependencies": [WRITER],
    "responses": {
        **CREATED,
        **problem_responses(Forbidden, FileDeleted, InvalidFile, ImportRejected, KeyReused, TooManyImports),
    },
}
PREVIEW: dict[str, Any] = {
    "dependencies": [WRITER],
    "responses": problem_responses(Forbidden, InvalidFile, TooManyImports),
}


@dataclass(frozen=True, slots=True)
class _Parameters:
    """What a request for an import has besides its file."""

    user: CurrentUser
    query: Annotated[ImportQuery, Query()]
    headers: Annotated[ImportHeaders, Header()]
    request: Request
    response: Response


@router.post("/imports/upload", **IMPORT, openapi_extra={"requestBody": FORM})
async def upload(parameters: Annotated[_Parameters, Depends()]) -> ImportRead:
    """Import students from a file, sent as a form.

    The form has one field, `file`: CSV (a header row with `roll_no`, `name`, `branch` and the subjects), a workbook
    (XLSX or ODS) with such a sheet, or NDJSON. A blank cell means no mark, never zero.
    """
    return await _import(uploaded_form(parameters.request), parameters)


@router.post("/imports", **IMPORT, openapi_extra={"requestBody": FILE})
async def create(parameters: Annotated[_Parameters, Depends()]) -> ImportRead:
    """Import students from a file, sent as it is.

    Does what `POST /imports/upload` does, and also accepts its form.
    """
    return await _import(uploaded(parameters.request), parameters)


async def _import(file: AbstractAsyncContextManager[Upload], parameters: _Parameters) -> ImportRead:
    user, headers, request, response = parameters.user, parameters.headers, parameters.request, parameters.response
    with job_runner.hold_slot(user.username) as slot:
        slot.check_capacity()
        allow_body(request, ImportSettings.current().max_bytes)
        async with file as received:
            job = _job(received, parameters.query, user.username, headers.idempotency_key)
            found, is_new = await service.begin(job)
            if not is_new:
                await service.check_is_same(found, job, received.stream)
                response.status_code = 200
                return await _outcome(found)
            async with job_runner.heartbeat(job):
                await service.receive(job, slot.after(received.stream))
        started = slot.start(job, _import_function(request))
        return await _respond(job, started, response, headers.prefer, request)


@router.post("/imports/preview/upload", **PREVIEW, openapi_extra={"requestBody": FORM})
async def preview_upload(user: CurrentUser, query: Annotated[ImportQuery, Query()], request: Request) -> PreviewRead:
    """Preview an import of a file, sent as a form.

    Nothing is stored. The response says what the file and each of its columns are taken for, what is doubtful, and the
    parameters with which `POST /imports/upload` does just that. Only the first 2,000 rows are looked at.
    """
    return await _preview(uploaded_form(request), query, user.username, request)


@router.post("/imports/preview", **PREVIEW, openapi_extra={"requestBody": FILE})
async def preview_(user: CurrentUser, query: Annotated[ImportQuery, Query()], request: Request) -> PreviewRead:
    """Preview an import of a file, sent as it is.

    Does what `POST /imports/preview/upload` does, and also accepts its form.
    """
    return await _preview(uploaded(request), query, user.username, request)


async def _preview(
    file: AbstractAsyncContextManager[Upload], query: ImportQuery, username: str, request: Request
) -> PreviewRead:
    with job_runner.hold_slot(username) as slot:
        slot.check_capacity()
        allow_body(request, ImportSettings.current().max_bytes)
        async with file as upload, file_store.received(slot.after(upload.stream)) as path:
            return await preview(path, query, upload.format, username)


def _job(upload: Upload, query: ImportQuery, by: str, key: str | None) -> Import:
    return Import(
        id=PydanticObjectId(),
        by=by,
        options=query.options,
        format=upload.format,
        filename=upload.filename and upload.filename[:200],
        key=key and hashed_key(by, key),
    )


async def _respond(
    job: Import, started: "asyncio.Task[None]", response: Response, prefer: str | None, request: Request
) -> ImportRead:
    """Wait for the end of an import's job, unless the client prefers an asynchronous response."""
    response.headers["Location"] = url_path(request, "imports", str(job.id))
    if prefer and "respond-async" in prefer.lower().replace(" ", "").split(","):
        response.status_code = 202
        response.headers["Preference-Applied"] = "respond-async"
        return await service.report(await service.get(str(job.id)))
    await asyncio.shield(started)
    if job.state is State.FAILED:
        await verify_account(request)  # a lost permission is reported as 401 or 403, not as an invalid file
    return await _outcome(job)


def _import_function(request: Request) -> job_runner.JobFunction:
    return partial(import_job.run, verify=partial(verify_account, request))


async def _outcome(job: Import) -> ImportRead:
    """Return the report of an import. Raise `FileDeleted` or `InvalidFile` if it failed, and `ImportRejected` if it was
    rejected."""
    report = await service.report(job)
    if job.state is State.FAILED:
        failure = FileDeleted if report.detail == file_store.DELETED else InvalidFile
        raise failure(report.detail, extensions=_extensions(report))
    if job.state is State.REJECTED:
        raise ImportRejected(_why_rejected(report), extensions=_extensions(report))
    return report


def _why_rejected(report: ImportRead) -> str:
    open_findings = [finding for finding in report.findings if finding.stops]
    if not open_findings:
        return f"{report.failed} of {report.rows} rows are invalid; nothing was written."
    settled_by = " and ".join(finding.settled_by or "" for finding in open_findings[:10])
    columns = "1 column needs" if len(open_findings) == 1 else f"{len(open_findings)} columns need"
    return f"{columns} a decision; nothing was written. Decide with {settled_by}, or otherwise: see findings."


def _extensions(report: ImportRead) -> dict[str, Any]:
    return report.model_dump(mode="json", exclude={"detail"})


@router.get(
    "/imports",
    dependencies=[WRITER],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, CursorNotFound)},
)
async def list_(query: Annotated[PageQuery, Query()], request: Request, response: Response) -> list[ImportRead]:
    """List imports, newest first.

    The list omits the errors of their rows.
    """
    page = await service.list_(IMPORTS.window(query))
    IMPORTS.link(page, request, response)
    return [ImportRead.of(one, []) for one in page.items]


@router.get(
    "/imports/{import_id}",
    response_model=ImportRead,
    dependencies=[WRITER],
    responses={
        **PROGRESS,
        **problem_responses(Forbidden, ImportNotFound, TooManyStreams),
    },
)
async def get(
    user: CurrentUser,
    import_id: IdInPath,
    request: Request,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> ImportRead | Response:
    """Get an import.

    With `Accept: text/event-stream`, the response is a stream with a `progress` event for each change. It ends with the
    import's job, or when your access token expires or is revoked.
    """
    job = await service.get(import_id)
    if "text/event-stream" in accept:
        events = progress_events.events(import_id, partial(verify_caller, request))
        return Stream(user.username, events, media_type="text/event-stream")
    return await service.report(job)


@router.get(
    "/imports/{import_id}/errors.csv",
    response_class=StreamingResponse,
    dependencies=[WRITER],
    responses={
        **FAILED_ROWS,
        **problem_responses(Forbidden, ImportNotFound, TooManyStreams),
    },
)
async def get_errors(user: CurrentUser, import_id: IdInPath, request: Request) -> Stream:
    """Download the failed rows, each with the reason.

    Correct the rows and import the file again: the column of reasons is ignored, and so is the `'` before a cell that a
    spreadsheet would run as a formula. The file has up to 10,000 rows; if more failed, a last line has their number.
    """
    job = await service.get(import_id, with_header=True)
    pieces = while_permitted(request, failed_rows_csv.as_csv(job))
    return Stream(user.username, pieces, media_type="text/csv; charset=utf-8", headers=download("errors.csv"))


@router.get(
    "/imports/{import_id}/errors.xlsx",
    response_class=StreamingResponse,
    dependencies=[WRITER],
    responses={
        **MARKED_ROWS,
        **problem_responses(Forbidden, ImportNotFound, TooManyStreams),
    },
)
async def get_marked_errors(user: CurrentUser, import_id: IdInPath, request: Request) -> Stream:
    """Download the failed rows as XLSX, with the wrong cells marked.

    Each wrong cell is coloured and has the reason as a comment; the column `import_error` has all reasons of a row.
    Correct the rows and import the file again: this column is ignored. The file has the same rows as `errors.csv`.
    """
    job = await service.get(import_id, with_header=True)
    return table_download(request, user.username, failed_rows_xlsx.as_table(job), XLSX)


@router.post(
    "/imports/{import_id}/resume",
    status_code=200,
    dependencies=[WRITER],
    responses={
        **PROGRESS_OR_END,
        **problem_responses(
            Forbidden, ImportNotFound, NothingToDo, FileDeleted, InvalidFile, ImportRejected, TooManyImports
        ),
    },
)
async def resume(
    user: CurrentUser, import_id: IdInPath, request: Request, response: Response, prefer: Prefer = None
) -> ImportRead:
    """Resume an interrupted import, or the interrupted undo of an import."""
    with job_runner.hold_slot(user.username) as slot:
        slot.reserve_job()
        job = await service.claim(import_id)
        task = undo.finish_undo if job.state is State.UNDOING else _import_function(request)
        return await _respond(job, slot.start(job, task), response, prefer, request)


@router.post(
    "/imports/{import_id}/undo",
    status_code=200,
    dependencies=[WRITER],
    responses={**PROGRESS_OR_END, **problem_responses(Forbidden, ImportNotFound, NothingToDo, TooManyImports)},
)
async def undo_(
    user: CurrentUser, import_id: IdInPath, request: Request, response: Response, prefer: Prefer = None
) -> ImportRead:
    """Undo an import.

    Each student that has not changed since the import is restored to its previous version. Students changed since are
    left unchanged and listed in `kept`.
    """
    with job_runner.hold_slot(user.username) as slot:
        slot.reserve_job()
        job = await service.claim(import_id, undone_by=user.username)
        return await _respond(job, slot.start(job, undo.finish_undo), response, prefer, request)
