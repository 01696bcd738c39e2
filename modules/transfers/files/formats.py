"""The formats of files, as media types and file names claim them. Whether a file is a workbook is decided by its
content."""

from pathlib import PurePath

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLSM = "application/vnd.ms-excel.sheet.macroEnabled.12"
ODS = "application/vnd.oasis.opendocument.spreadsheet"

FORMATS = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    XLSX: "xlsx",
    XLSM.lower(): "xlsx",
    ODS: "ods",
}
_SUFFIXES = {".ndjson": "ndjson", ".jsonl": "ndjson", ".xlsx": "xlsx", ".xlsm": "xlsx", ".ods": "ods"}


def format_of(filename: str) -> str:
    """Return the format that the suffix of a file name means; CSV for any other one."""
    return _SUFFIXES.get(PurePath(filename).suffix.lower(), "csv")
