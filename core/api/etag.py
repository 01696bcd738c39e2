"""Entity tags and preconditions (RFC 9110, sections 8.8.3 and 13.1)."""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b

from bson import ObjectId

from core.errors import PreconditionFailed

_WEAK = "W/"
# Apache and Caddy append the coding to the tag of a response that they compress, because it then has other bytes.
_SUFFIXES = ("", "-gzip", "-br", "-zstd", "-deflate")
_DIGEST_BYTES = 15
# Some clients remove the quotation marks of a tag. Without them, only what can be a tag of this service is accepted.
_BARE = f"[A-Za-z0-9_-]{{{_DIGEST_BYTES * 4 // 3}}}"
_DOCUMENTED_TAG = rf'(W/)?("[!#-~]*"|{_BARE})'
TAGS_PATTERN = rf"^(\*|{_DOCUMENTED_TAG}(, *{_DOCUMENTED_TAG})*)$"
"""The documented syntax of the headers that `EntityTags.parse` reads."""

_TAG = rf'(W/)?(?:("[\x21\x23-\x7e\x80-\xff]*")|({_BARE}))'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")


def strong_etag(document_id: ObjectId, version: int) -> str:
    """Return a strong, opaque entity tag for one state of a document, in quotes as in the header.

    The tag is derived from the document's `_id` and `version`, so it is unique to this state, even if a record is
    deleted and created again under the same name.
    """
    digest = blake2b(document_id.binary + version.to_bytes(8, "big"), digest_size=_DIGEST_BYTES).digest()
    return f'"{urlsafe_b64encode(digest).decode()}"'


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The value of an `If-Match` or `If-None-Match` header; `any` stands for `*`."""

    tags: frozenset[str] = frozenset()
    any: bool = False

    @classmethod
    def parse(cls, header: str) -> "EntityTags":
        """Parse a header value; raise `ValueError` if it is neither `*` nor a list of tags."""
        if header.strip() == "*":
            return cls(any=True)
        if not _LIST.fullmatch(header):
            raise ValueError("not a list of entity tags")
        return cls(frozenset(weak + (quoted or f'"{bare}"') for weak, quoted, bare in re.findall(_TAG, header)))

    def matches(self, etag: str) -> bool:
        """Return whether this strong tag is listed, by strong comparison: a weak tag never matches."""
        return self.any or etag in self.tags

    def matches_weakly(self, etag: str) -> bool:
        """Return whether this tag is listed, by weak comparison, as it is or as a proxy has changed it."""
        return self.any or not self.tags.isdisjoint(_changed_by_proxies(etag))


def _changed_by_proxies(etag: str) -> set[str]:
    """Return a tag in all forms in which proxies that compress responses send it to clients, and as it is."""
    opaque = etag.removeprefix(_WEAK)[:-1]
    return {f'{weak}{opaque}{suffix}"' for weak in ("", _WEAK) for suffix in _SUFFIXES}


_CHANGED_TAG = (
    "The record has not changed, but a proxy that compresses responses has made {sent} of its entity tag. In If-Match, "
    "neither a weak tag (W/) nor one with a suffix matches (RFC 9110, section 13.1.1). Send If-Match: {etag}, and let "
    "the proxy leave the ETag as it is."
)


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The preconditions of a request on the state of its record; none by default."""

    if_match: EntityTags | None = None
    if_none_match: EntityTags | None = None

    def check(self, etag: str) -> None:
        """Raise `PreconditionFailed` if the record's current tag does not meet the preconditions. The write that
        follows must require the version that was checked, so that check and write are atomic."""
        if self.if_match and not self.if_match.matches(etag):
            if sent := self.if_match.tags & _changed_by_proxies(etag):
                raise PreconditionFailed(_CHANGED_TAG.format(sent=min(sent), etag=etag), etag=etag)
            raise PreconditionFailed("The record has changed since you read it.", etag=etag)
        if self.if_none_match and self.if_none_match.matches_weakly(etag):
            raise PreconditionFailed("The record already exists.", etag=etag)


UNCONDITIONAL = Preconditions()
