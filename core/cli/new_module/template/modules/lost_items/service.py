"""Operations on lost items."""

from functools import partial

from pymongo.errors import DuplicateKeyError

from core.api import Preconditions, write_current
from core.database import Page, Window
from core.errors import Conflict, FieldError, NotFound  # without settings
from core.errors import Conflict, FieldError, InvalidRequest, NotFound  # with settings
from modules.lost_items.models import LostItem  # without reference
from modules.lost_items.models import OF_STUDENTS, LostItem  # with reference
from modules.lost_items.schemas import (
    LostItemCreate,
    LostItemReplace,
)
from modules.lost_items.settings import LostItemSettings  # with settings


class LostItemNotFound(NotFound):
    """There is no lost item with this code.

    Find the code in the list, or create the lost item.
    """

    title = "Lost item not found"


class LostItemCodeTaken(Conflict):
    """A lost item with this code already exists.

    Choose another code, or replace the existing lost item.
    """

    title = "Code already taken"


async def create(data: LostItemCreate) -> LostItem:
    """Store a new lost item. Raise `LostItemCodeTaken`.

    Raise `InvalidRequest` if there is no such student.  # with reference
    Raise `InvalidRequest` if the name is too long.  # with settings
    The unique index prevents two concurrent requests from both succeeding.
    """
    _check(data)  # with settings
    record = LostItem(**data.model_dump())  # without reference
    student = await OF_STUDENTS.owner(data.roll_no, pointer="#/roll_no")  # with reference
    record = LostItem(**data.model_dump(exclude={"roll_no"}), student=student)  # with reference
    try:
        return await record.insert()  # without reference
        return await OF_STUDENTS.insert(record, pointer="#/roll_no")  # with reference
    except DuplicateKeyError:
        errors = [FieldError(code="exists", detail="This code is already taken.", pointer="#/code")]
        detail = f"The code {data.code} belongs to another lost item."
        raise LostItemCodeTaken(detail, errors=errors) from None


async def list_(window: Window) -> Page[LostItem]:
    """Return one page of lost items."""
    found = LostItem.find(window.filter).sort(window.sort)  # without reference
    return window.page(await found.limit(window.limit + 1).to_list())  # without reference
    return await OF_STUDENTS.page(window, OF_STUDENTS.where())  # with reference


async def get(code: str) -> LostItem:
    """Return the lost item with this code. Raise `LostItemNotFound`."""
    record = await LostItem.find_one(LostItem.code == code)  # without reference
    record = await LostItem.find_one({"code": code, **OF_STUDENTS.where()})  # with reference
    if record is None:
        raise LostItemNotFound(f"There is no lost item {code}.")
    return record


async def replace(
    code: str,
    data: LostItemReplace,
    expects: Preconditions,
) -> LostItem:
    """Replace the stored data. Raise the errors of `get` and `write_current`."""
    _check(data)  # with settings
    changes = data.model_dump()
    return await write_current(partial(get, code), expects, lambda record: record.change(changes))


async def delete(code: str, expects: Preconditions) -> None:
    """Delete the lost item. Raise the errors of `get` and `write_current`."""
    await write_current(partial(get, code), expects, LostItem.remove)
  # with settings
  # with settings
def _check(data: LostItemReplace) -> None:  # with settings
    """Raise `InvalidRequest` if the name is longer than the setting allows."""  # with settings
    longest = LostItemSettings.current().max_name_length  # with settings
    if len(data.name) > longest:  # with settings
        detail = f"This must have at most {longest} characters."  # with settings
        raise InvalidRequest(errors=[FieldError(code="string_too_long", detail=detail, pointer="#/name")])  # with settings
