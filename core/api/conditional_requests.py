"""The parameters, headers and responses of conditional requests (RFC 9110, section 13)."""

from typing import Annotated, Any

from fastapi import Depends, Header, Response
from pydantic import BaseModel, WithJsonSchema

from core.api.documented_responses import ETAG_EXAMPLE, Responses, header
from core.api.etag import TAGS_PATTERN, EntityTags, Preconditions
from core.errors import FieldError, InvalidRequest, PreconditionRequired
from core.settings import current_settings

_ETAG_MEANING = "The entity tag of this state of the record; opaque (RFC 9110)."

ETAG = header("ETag", _ETAG_MEANING, example=ETAG_EXAMPLE, always=True)

# Documented as a single string, although clients may also send several header lines.
_TAGS = WithJsonSchema({"type": "string", "pattern": TAGS_PATTERN, "examples": [ETAG_EXAMPLE]})

NOT_MODIFIED: Responses = {304: {"description": "The record has not changed.", "headers": ETAG}}


def also_as_merge_patch(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that also accepts its body as `application/merge-patch+json` (RFC 7396)."""
    reference = {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}
    return {"requestBody": {"content": {"application/merge-patch+json": reference}}}


def _parse(name: str, values: list[str] | None) -> EntityTags | None:
    if values is None:
        return None
    try:
        return EntityTags.parse(", ".join(values))
    except ValueError:
        detail = 'Send a comma-separated list of entity tags as received, each in double quotes, or "*" without quotes.'
        raise InvalidRequest(errors=[FieldError(code="entity_tags", detail=detail, parameter=name)]) from None


async def _if_match(
    values: Annotated[
        list[str] | None,
        Header(
            alias="If-Match",
            description="Write only if the record's current `ETag` is one of these, or with `*`, if the record exists.",
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
            description=(
                "Proceed only if the record's current `ETag` is none of these, or with `*`, if the record does not "
                "exist."
            ),
        ),
        _TAGS,
    ] = None,
) -> EntityTags | None:
    return _parse("If-None-Match", values)


IfNoneMatch = Annotated[EntityTags | None, Depends(_if_none_match)]
"""The entity tags of the states that the client already has."""


async def _preconditions(
    if_match: Annotated[EntityTags | None, Depends(_if_match)], if_none_match: IfNoneMatch
) -> Preconditions:
    creates = if_none_match is not None and if_none_match.any
    if current_settings().require_if_match and if_match is None and not creates:
        raise PreconditionRequired("Send If-Match with the ETag of the state that you want to change.")
    return Preconditions(if_match, if_none_match)


Expected = Annotated[Preconditions, Depends(_preconditions)]
"""The preconditions of a write. Raises `PreconditionRequired` if there are none and `REQUIRE_IF_MATCH` is set."""


def not_modified(etag: str, known: EntityTags | None) -> Response | None:
    """Return a 304 response if the client already has this state, or None."""
    return Response(status_code=304, headers={"ETag": etag}) if known and known.matches_weakly(etag) else None
