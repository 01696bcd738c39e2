"""What can be done with lost items."""

from functools import partial

from pymongo.errors import DuplicateKeyError

from core.api import Preconditions, write_current
from core.database import Page, Window
from core.errors import Conflict, FieldError, NotFound
from modules.lost_items.models import LostItem
from modules.lost_items.schemas import (
    LostItemCreate,
    LostItemReplace,
)


class LostItemNotFound(NotFound):
    """There is no lost item with this code.

    Look for it in the list, or create it.
    """

    title = "No such lost item"


class LostItemCodeTaken(Conflict):
    """There already is a lost item with this code.

    Choose another code, or replace what is there.
    """

    title = "Code taken"


async def create(data: LostItemCreate) -> LostItem:
    """Store a new lost item; raises `LostItemCodeTaken`.

    The unique index decides, so two at once cannot both succeed.
    """
    record = LostItem(**data.model_dump())
    try:
        return await record.insert()
    except DuplicateKeyError:
        errors = [FieldError(detail="This code is taken.", pointer="#/code")]
        detail = f"There already is a lost item {data.code}."
        raise LostItemCodeTaken(detail, errors=errors) from None


async def list_(window: Window) -> Page[LostItem]:
    """The lost items of one page."""
    found = LostItem.find(window.filter).sort(window.sort)
    return window.page(await found.limit(window.limit + 1).to_list())


async def get(code: str) -> LostItem:
    """The lost item with this code; raises `LostItemNotFound`."""
    record = await LostItem.find_one(LostItem.code == code)
    if record is None:
        raise LostItemNotFound(f"There is no lost item {code}.")
    return record


async def replace(
    code: str,
    data: LostItemReplace,
    expects: Preconditions,
) -> LostItem:
    """Put `data` in place of what is stored; raises what `get` and `write_current` raise."""
    changes = data.model_dump()
    return await write_current(partial(get, code), expects, lambda record: record.change(changes))


async def delete(code: str, expects: Preconditions) -> None:
    """Delete the lost item; raises what `replace` raises."""
    await write_current(partial(get, code), expects, LostItem.remove)
