"""The form in which values are stored: the one of Beanie's `insert`, for updates as well.

Private to Beanie, see ADR 12: `get_dict` and `Encoder`.
"""

from collections.abc import Mapping
from typing import Any

from beanie import Document
from beanie.odm.utils.dump import get_dict
from beanie.odm.utils.encoder import Encoder


def stored_form(record: Document) -> dict[str, Any]:
    """Return a record as `insert` stores it."""
    form: dict[str, Any] = get_dict(record, to_db=True, keep_nulls=record.get_settings().keep_nulls)
    return form


def encoded(document: type[Document], expression: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter or an update of a document, with its values as `insert` stores them."""
    form: dict[str, Any] = Encoder(custom_encoders=document.get_settings().bson_encoders).encode(expression)
    return form
