"""The base class of all request bodies."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

MAX_FIELDS = 100


class RequestBody(BaseModel):
    """Base class of all request schemas. Unknown fields are rejected, not ignored."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _limit_fields(cls, data: Any) -> Any:
        # Reporting eighty thousand unknown fields would block the event loop for half a second.
        if isinstance(data, dict) and len(data) > MAX_FIELDS:
            raise PydanticCustomError("too_many_fields", "This must have at most {most} fields.", {"most": MAX_FIELDS})
        return data
