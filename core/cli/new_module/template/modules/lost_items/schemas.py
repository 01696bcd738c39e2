"""The request and response bodies for lost items."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, JsonValue

from core.api import Code, PrintableLine, RequestBody
from modules.students import RollNo  # with reference

_EXAMPLE: dict[str, JsonValue] = {"name": "The first lost item"}
_TIMES: dict[str, JsonValue] = {
    "created_at": "2026-11-22T09:30:00.125000Z",
    "updated_at": "2026-11-22T09:30:00.125000Z",
}


def _example(example: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class LostItemReplace(RequestBody):
    """The complete new data of a lost item."""

    model_config = _example(_EXAMPLE)

    name: PrintableLine


class LostItemCreate(LostItemReplace):
    """A new lost item."""

    model_config = _example({"code": "A1", **_EXAMPLE})  # without reference
    model_config = _example({"code": "A1", "roll_no": "S101", **_EXAMPLE})  # with reference

    code: Code
    roll_no: RollNo  # with reference


class LostItemRead(BaseModel):
    """A stored lost item."""

    model_config = ConfigDict(from_attributes=True) | _example({"code": "A1", **_EXAMPLE, **_TIMES})  # without reference
    model_config = ConfigDict(from_attributes=True) | _example({"code": "A1", "roll_no": "S101", **_EXAMPLE, **_TIMES})  # with reference

    code: str
    roll_no: str  # with reference
    name: str
    created_at: datetime
    updated_at: datetime
