"""What all request bodies have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

MAX_FIELDS = 100


class RequestBody(BaseModel):
    """Base of every schema that clients send. A field that it does not know is refused, never dropped."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_flood(cls, data: Any) -> Any:
        # An error for each of eighty thousand unknown fields would keep the event loop busy for half a second.
        if isinstance(data, dict) and len(data) > MAX_FIELDS:
            raise PydanticCustomError("too_many_fields", "This has more than {most} fields.", {"most": MAX_FIELDS})
        return data
