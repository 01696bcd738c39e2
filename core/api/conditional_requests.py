"""Conditional requests (RFC 9110, section 13): what a route adds to its parameters to be one."""

from typing import Annotated, Any

from fastapi import Depends, Header, Response
from pydantic import BaseModel, WithJsonSchema

from core.api.documented_responses import ETAG_EXAMPLE, Responses, header
from core.api.etag import TAGS_PATTERN, EntityTags, Preconditions
from core.errors import FieldError, InvalidRequest, PreconditionRequired
from core.settings import current_settings

_ETAG_MEANING = "Names this state of the record; opaque (RFC 9110)."

ETAG = header("ETag", _ETAG_MEANING, example=ETAG_EXAMPLE, always=True)

# One line of text to clients, which may send it in several, too.
_TAGS = WithJsonSchema({"type": "string", "pattern": TAGS_PATTERN, "examples": [ETAG_EXAMPLE]})

NOT_MODIFIED: Responses = {304: {"description": "The record is as you know it.", "headers": ETAG}}


def also_as_merge_patch(schema: type[BaseModel]) -> dict[str, Any]:
    """A route's `openapi_extra`: its body may come as `application/merge-patch+json` (RFC 7396), too."""
    reference = {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}
    return {"requestBody": {"content": {"application/merge-patch+json": reference}}}


def _parse(name: str, values: list[str] | None) -> EntityTags | None:
    if values is None:
        return None
    try:
        return EntityTags.parse(", ".join(values))
    except ValueError:
        detail = 'Write entity tags as they came, in double quotes and joined by commas, or "*" without quotes.'
        raise InvalidRequest(errors=[FieldError(detail=detail, parameter=name)]) from None


async def _if_match(
    values: Annotated[
        list[str] | None,
        Header(
            alias="If-Match",
            description="Write only if the record's current `ETag` is one of these; `*`: if there is a record.",
        ),
        _TAGS,
    ] = None,
) -> EntityTags | None:
    return _parse("If-Match", values)


async def _if_none_match(
    values: Annotated[
        list[str] | None,
        Header(
            alias="If-None-Match",
            description="Answer only if the record's current `ETag` is none of these; `*`: if there is no record.",
        ),
        _TAGS,
    ] = None,
) -> EntityTags | None:
    return _parse("If-None-Match", values)


IfNoneMatch = Annotated[EntityTags | None, Depends(_if_none_match)]
"""What a reader has already."""


async def _preconditions(
    if_match: Annotated[EntityTags | None, Depends(_if_match)], if_none_match: IfNoneMatch
) -> Preconditions:
    creates = if_none_match is not None and if_none_match.any
    if current_settings().require_if_match and if_match is None and not creates:
        raise PreconditionRequired("Send If-Match with the ETag of the state that you mean to change.")
    return Preconditions(if_match, if_none_match)


Expected = Annotated[Preconditions, Depends(_preconditions)]
"""What a writer expects of a record. With `REQUIRE_IF_MATCH` it must expect something: `PreconditionRequired`."""


def not_modified(etag: str, known: EntityTags | None) -> Response | None:
    """The answer 304, if the client has this state already."""
    return Response(status_code=304, headers={"ETag": etag}) if known and known.hold_weakly(etag) else None
