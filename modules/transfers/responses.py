"""OpenAPI documentation of the request and response bodies of imports and exports."""

from core.api import Responses, header, location
from modules.transfers.files.csv_reader import REASON
from modules.transfers.files.upload import MEDIA_TYPES
from modules.transfers.schemas import ImportRead

LOCATION = location("/imports/6921c0ffee6921c0ffee6921")
PREFERENCE = header("Preference-Applied", "`respond-async`.", example="respond-async", always=True)
DOWNLOAD = header(
    "Content-Disposition", "The suggested file name.", example='attachment; filename="students.csv"', always=True
)

FILE = {"required": True, "content": MEDIA_TYPES, "x-limit-setting": "IMPORT_MAX_BYTES"}

_CSV = "roll_no,name,branch,math\r\nS101,Asha Rao,Physics,91\r\n"
_FAILED = f"roll_no,name,branch,math,{REASON}\r\nS117,Zoë Łuk,Physics,950,math: A mark lies between 0 and 100.\r\n"
_NDJSON = '{"roll_no":"S101","name":"Asha Rao","branch":"Physics","marks":{"math":91}}\n'
_EVENTS = 'event: progress\ndata: {"id":"6921c0ffee6921c0ffee6921","state":"running","percent":40}\n\n'

_TEXT = {"type": "string"}

CREATED: Responses = {
    201: {"description": "The import, finished.", "headers": LOCATION},
    200: {"description": "The earlier import with this idempotency key.", "model": ImportRead},
    202: {
        "description": "The file was received; the import is in progress.",
        "model": ImportRead,
        "headers": LOCATION | PREFERENCE,
    },
}
CARRIED_ON: Responses = {
    200: {"headers": LOCATION},
    202: {"description": "The import is in progress.", "model": ImportRead, "headers": LOCATION | PREFERENCE},
}
PROGRESS: Responses = {200: {"content": {"text/event-stream": {"schema": _TEXT, "example": _EVENTS}}}}
FAILED_ROWS: Responses = {200: {"content": {"text/csv": {"schema": _TEXT, "example": _FAILED}}, "headers": DOWNLOAD}}
EXPORT: Responses = {
    200: {
        "description": "A file with the students.",
        "content": {
            "text/csv": {"schema": _TEXT, "example": _CSV},
            "application/x-ndjson": {"schema": _TEXT, "example": _NDJSON},
        },
        "headers": DOWNLOAD,
    }
}
