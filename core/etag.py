"""Entity tags (RFC 9110, section 8.8.3)."""

from base64 import urlsafe_b64encode
from hashlib import blake2b

from bson import ObjectId


def strong_etag(document_id: ObjectId, version: int) -> str:
    """A strong, opaque tag for one state of one document, quoted as the header wants it.

    Made from the document's `_id` and `version`, so it never repeats for another state, not even for a record that
    is deleted and created again under the same name.
    """
    digest = blake2b(document_id.binary + version.to_bytes(8, "big"), digest_size=15).digest()
    return f'"{urlsafe_b64encode(digest).decode()}"'
