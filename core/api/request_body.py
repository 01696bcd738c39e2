"""The base class of all request bodies."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from core.api.storable_values import check_storable

MAX_FIELDS = 100


class RequestBody(BaseModel):
    """Base class of all request schemas. Unknown fields are rejected, not ignored, and so are values that MongoDB
    cannot store, and entries of an object that have the same name once it is trimmed."""

    model_config = ConfigDict(extra="forbid")

    read_only: ClassVar[Mapping[str, Any]] = {}
    """The types of the fields that only responses have, by name. A body may contain them, with any value: they are
    ignored, so that a client can change what it has read and send it back."""

    @model_validator(mode="before")
    @classmethod
    def _limit_fields(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        # Reporting eighty thousand unknown fields would block the event loop for half a second.
        if len(data) > MAX_FIELDS:
            raise PydanticCustomError("too_many_fields", "This must have at most {most} fields.", {"most": MAX_FIELDS})
        return {name: value for name, value in data.items() if name not in cls.read_only}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        for name, kind in cls.read_only.items():
            ignored = {**TypeAdapter(kind).json_schema(), "readOnly": True, "description": "Ignored in requests."}
            handler.resolve_ref_schema(made)["properties"][name] = ignored
        return made

    @field_validator("*", mode="wrap")
    @classmethod
    def _check_value(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        checked = check(value)
        # Of two entries whose names become the same, as "A1" and " A1" of `dict[Code, int]`, pydantic keeps the second.
        if isinstance(value, dict) and isinstance(checked, dict) and len(checked) < len(value):
            raise PydanticCustomError(
                "repeated", "Two of these entries have the same name, apart from spaces or the encoding of accents."
            )
        check_storable(checked)
        return checked
