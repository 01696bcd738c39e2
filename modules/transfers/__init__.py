"""Bulk transfers of students: imports, which can be undone, and exports."""

from core.events import Follow
from core.module import Module
from modules.students import ERASED
from modules.transfers.commands import export_students, import_students
from modules.transfers.demo import demo
from modules.transfers.downloads.query import TableQuery
from modules.transfers.downloads.table import BRANCH, NAME, ROLL_NO, Cell, Column, Table, one_portion
from modules.transfers.downloads.xlsx_file import check_fits
from modules.transfers.erasure import forget
from modules.transfers.error_codes import ERROR_CODES
from modules.transfers.imports import job_runner
from modules.transfers.models import ChangeLogEntry, FailedRow, FileChunk, Import, PlanPage
from modules.transfers.responses import table_content
from modules.transfers.router import router
from modules.transfers.settings import ImportSettings
from modules.transfers.streams import TooManyStreams, table_download

__all__ = [
    "BRANCH",
    "NAME",
    "ROLL_NO",
    "Cell",
    "Column",
    "Table",
    "TableQuery",
    "TooManyStreams",
    "check_fits",
    "module",
    "one_portion",
    "table_content",
    "table_download",
]

module = Module(
    name="transfers",
    description="Imports and exports of students, as CSV, XLSX and NDJSON.",
    position=30,
    router=router,
    settings=ImportSettings,
    documents=(Import, FileChunk, FailedRow, PlanPage, ChangeLogEntry),
    lifespan=job_runner.lifespan,
    follows=(Follow(ERASED, forget),),
    commands=(import_students, export_students),
    error_codes=ERROR_CODES,
    demo=demo,
)
