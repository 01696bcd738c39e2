"""Lost items, identified by code."""

from core.module import Module
from modules.lost_items import migrations  # with migration
from modules.lost_items.commands import commands  # with command
from modules.lost_items.jobs import jobs  # with job
from modules.lost_items.models import LostItem  # without reference
from modules.lost_items.models import OF_STUDENTS, LostItem  # with reference
from modules.lost_items.router import router
from modules.lost_items.settings import LostItemSettings  # with settings

__all__ = ["module"]

module = Module(
    name="lost_items",
    description="Lost items, identified by code.",
    router=router,
    documents=(LostItem,),
    migrations=migrations,  # with migration
    settings=LostItemSettings,  # with settings
    jobs=jobs,  # with job
    references=(OF_STUDENTS,),  # with reference
    commands=commands,  # with command
)
