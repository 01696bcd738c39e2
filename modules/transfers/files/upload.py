"""The uploaded file of a request: the body itself, or the field `file` of a form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from core.errors import BadRequest, FieldError, InvalidRequest, UnsupportedMediaType
from core.identity import verify_caller
from modules.transfers.files.formats import FORMATS, ODS, XLSX, format_of

PIECE = 1_000_000

FORM = "multipart/form-data"

_EXAMPLE = "roll_no,name,branch,math\nS101,Asha Rao,Physics,91\nS102,Zoë Łuk,Physics,\n"
_FIELD = {"type": "string", "format": "binary", "description": "A CSV file, a workbook (XLSX, ODS), or an NDJSON file."}
_WORKBOOK = {
    "schema": {"type": "string", "format": "binary", "description": "A workbook with such a table."},
    "example": "(the bytes of a workbook)",
}
RAW_CONTENT: dict[str, Any] = {
    "text/csv": {"schema": {"type": "string"}, "example": _EXAMPLE},
    "application/x-ndjson": {
        "schema": {"type": "string"},
        "example": '{"roll_no":"S101","name":"Asha Rao","branch":"Physics","marks":{"math":91}}\n',
    },
    XLSX: _WORKBOOK,
    ODS: _WORKBOOK,
}
FORM_CONTENT: dict[str, Any] = {
    FORM: {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": _FIELD},
            "additionalProperties": False,
        },
        "example": {"file": _EXAMPLE},
    },
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is being received."""

    format: str
    filename: str | None
    stream: AsyncIterator[bytes]


@asynccontextmanager
async def uploaded(request: Request) -> AsyncIterator[Upload]:
    """Yield the file of a request. At the end of its stream the caller is verified again, because an upload may take
    hours.

    Raise `UnsupportedMediaType`, `InvalidRequest` for a form without a file, and `BadRequest` for a truncated body.
    """
    media_type = _media_type(request)
    if media_type == FORM:
        async with uploaded_form(request) as upload:
            yield upload
    elif media_type in FORMATS:
        yield Upload(FORMATS[media_type], None, _verified(request, _body(request)))
    else:
        raise UnsupportedMediaType.of(media_type, [*FORMATS, FORM])


@asynccontextmanager
async def uploaded_form(request: Request) -> AsyncIterator[Upload]:
    """Yield the file of a form, like `uploaded`, and accept no other body."""
    if (media_type := _media_type(request)) != FORM:
        raise UnsupportedMediaType.of(media_type, [FORM])
    async with _form_file(request) as file:
        await verify_caller(request)
        yield Upload(_format_of(file), file.filename, _verified(request, _pieces(file)))


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _format_of(file: UploadFile) -> str:
    """Return the format by the media type, or by the file name if browsers do not know a better one."""
    return FORMATS.get(file.content_type or "") or format_of(file.filename or "")


@asynccontextmanager
async def _form_file(request: Request) -> AsyncIterator[UploadFile]:
    try:
        form = await request.form(max_files=1, max_fields=20)
    except (ClientDisconnect, MultiPartException) as error:
        raise BadRequest("The form cannot be read; it may be truncated.") from error
    try:
        if set(form) - {"file"}:
            detail = "The form has other fields. Send only `file`."
            raise InvalidRequest(errors=[FieldError(code="form_fields", detail=detail, pointer="#")])
        file = form.get("file")
        if not isinstance(file, UploadFile):
            detail = "The form has no file in this field, or is truncated."
            raise InvalidRequest(errors=[FieldError(code="form_file", detail=detail, pointer="#/file")])
        yield file
    finally:
        await form.close()


async def _verified(request: Request, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in stream:
        yield piece
    await verify_caller(request)


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE):
        yield piece


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise BadRequest("The upload was truncated.") from error
