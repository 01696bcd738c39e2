"""MongoDB access: the client, operations on collections, and the embedded server."""

from core.database.availability import DatabaseAvailability, as_unavailable, check_disk_space, unreachable
from core.database.batcher import Batcher
from core.database.bulk import (
    ChangeStreamsUnsupported,
    bulk_update,
    bulk_upsert,
    collection,
    collection_name,
    insert_ignoring_duplicates,
    read_majority,
    watch_ids,
)
from core.database.client import Database, open_database, operation_timeout, translate_driver_errors
from core.database.embedded import Embedded, find_mongod, run_embedded
from core.database.encoding import encoded, stored_form
from core.database.errors import duplicate_field
from core.database.indexes import declared_indexes, wrong_indexes
from core.database.keyset import (
    Filter,
    Order,
    Page,
    Position,
    SortKey,
    Window,
    beyond,
    object_id,
    position_of,
    reversed_order,
    sort_of,
    value_of,
)
from core.database.lease import Lease, LeaseLost
from core.database.storable_types import unstorable_fields

__all__ = [
    "Batcher",
    "ChangeStreamsUnsupported",
    "Database",
    "DatabaseAvailability",
    "Embedded",
    "Filter",
    "Lease",
    "LeaseLost",
    "Order",
    "Page",
    "Position",
    "SortKey",
    "Window",
    "as_unavailable",
    "beyond",
    "bulk_update",
    "bulk_upsert",
    "check_disk_space",
    "collection",
    "collection_name",
    "declared_indexes",
    "duplicate_field",
    "encoded",
    "find_mongod",
    "insert_ignoring_duplicates",
    "object_id",
    "open_database",
    "operation_timeout",
    "position_of",
    "read_majority",
    "reversed_order",
    "run_embedded",
    "sort_of",
    "stored_form",
    "translate_driver_errors",
    "unreachable",
    "unstorable_fields",
    "value_of",
    "watch_ids",
    "wrong_indexes",
]
