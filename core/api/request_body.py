"""The base class of all request bodies."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic_core import PydanticCustomError

from core.api.storable_values import check_storable

MAX_FIELDS = 100


class RequestBody(BaseModel):
    """Base class of all request schemas. Unknown fields are rejected, not ignored, and so are values that MongoDB
    cannot store."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _limit_fields(cls, data: Any) -> Any:
        # Reporting eighty thousand unknown fields would block the event loop for half a second.
        if isinstance(data, dict) and len(data) > MAX_FIELDS:
            raise PydanticCustomError("too_many_fields", "This must have at most {most} fields.", {"most": MAX_FIELDS})
        return data

    @field_validator("*")
    @classmethod
    def _check_storable(cls, value: Any) -> Any:
        check_storable(value)
        return value
