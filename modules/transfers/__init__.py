"""Bulk transfers of students: imports, which can be undone, and exports."""

from core.module import Module
from modules.transfers.commands import export_students, import_students
from modules.transfers.erasure import lifespan
from modules.transfers.models import ChangeLogEntry, FailedRow, FileChunk, Import
from modules.transfers.router import router
from modules.transfers.settings import ImportSettings

__all__ = ["module"]

module = Module(
    name="transfers",
    description="Imports and exports of students, as CSV and NDJSON.",
    router=router,
    settings=ImportSettings,
    documents=(Import, FileChunk, FailedRow, ChangeLogEntry),
    lifespan=lifespan,
    commands=(import_students, export_students),
)
