"""Lost items, identified by code."""

from core.module import Module
from modules.lost_items.models import LostItem
from modules.lost_items.router import router

__all__ = ["module"]

module = Module(
    name="lost_items",
    description="Lost items, identified by code.",
    router=router,
    documents=(LostItem,),
)
