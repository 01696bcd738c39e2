"""OpenAPI documentation of the request and response bodies of imports and exports."""

from typing import Any

from core.api import Responses, header, location
from modules.transfers.columns.column_names import REASON
from modules.transfers.downloads.query import MEDIA_TYPES, NDJSON, XLSX
from modules.transfers.files.upload import FORM_CONTENT, RAW_CONTENT
from modules.transfers.schemas import EXAMPLE_ID, ImportRead

LOCATION = location(f"/imports/{EXAMPLE_ID}")
PREFERENCE = header("Preference-Applied", "`respond-async`.", example="respond-async", always=True)
DOWNLOAD = header(
    "Content-Disposition", "The suggested file name.", example='attachment; filename="students.csv"', always=True
)

FILE = {"required": True, "content": RAW_CONTENT, "x-limit-setting": "IMPORT_MAX_BYTES"}
FORM = FILE | {"content": FORM_CONTENT}

_CSV = "roll_no,name,branch,math\r\nS101,Asha Rao,Physics,91\r\n"
_FAILED = f"roll_no,name,branch,math,{REASON}\r\nS117,Zoë Łuk,Physics,950,math: A mark lies between 0 and 100.\r\n"
_PLAN = "row,line,outcome,roll_no,field,old,new\r\n17,18,updated,S117,marks.math,50,60\r\n1,2,created,S101,,,\r\n"
_NDJSON = '{"roll_no":"S101","name":"Asha Rao","branch":"Physics","marks":{"math":91}}\n'
_EVENTS = f'event: progress\ndata: {{"id":"{EXAMPLE_ID}","state":"running","percent":40}}\n\n'

_TEXT = {"type": "string"}
_WORKBOOK = {"schema": {"type": "string", "format": "binary"}, "example": "(the bytes of the file)"}


def table_content(example: str) -> dict[str, Any]:
    """Return the documentation of a table as CSV, with an example, and as XLSX."""
    return {
        "text/csv": {"schema": _TEXT, "example": example},
        MEDIA_TYPES[XLSX]: _WORKBOOK,
    }


CREATED: Responses = {
    201: {"description": "The import, finished.", "headers": LOCATION},
    200: {"description": "The earlier import with this idempotency key.", "model": ImportRead},
    202: {
        "description": "The file was received; the import is in progress.",
        "model": ImportRead,
        "headers": LOCATION | PREFERENCE,
    },
}
PROGRESS_OR_END: Responses = {
    200: {"headers": LOCATION},
    202: {"description": "The import is in progress.", "model": ImportRead, "headers": LOCATION | PREFERENCE},
}
PROGRESS: Responses = {200: {"content": {"text/event-stream": {"schema": _TEXT, "example": _EVENTS}}}}
FAILED_ROWS: Responses = {200: {"content": {"text/csv": {"schema": _TEXT, "example": _FAILED}}, "headers": DOWNLOAD}}
PLAN: Responses = {200: {"content": {"text/csv": {"schema": _TEXT, "example": _PLAN}}, "headers": DOWNLOAD}}
MARKED_ROWS: Responses = {200: {"content": {MEDIA_TYPES[XLSX]: _WORKBOOK}, "headers": DOWNLOAD}}
EXPORT: Responses = {
    200: {
        "description": "A file with the students.",
        "content": {
            **table_content(_CSV),
            MEDIA_TYPES[NDJSON]: {"schema": _TEXT, "example": _NDJSON},
        },
        "headers": DOWNLOAD,
    }
}
