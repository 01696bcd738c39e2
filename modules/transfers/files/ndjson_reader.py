"""Reading of NDJSON files: one JSON object per line."""

import json
from collections.abc import Iterator
from typing import TextIO

from modules.students import StudentPatch
from modules.transfers.files.table import Row, RowError
from modules.transfers.files.text import Lines

# Parsing JSON holds the GIL. A student with 100 subjects and every character escaped is shorter.
MAX_OBJECT = 200_000
MAX_MEMBERS = 100


def read_ndjson(file: TextIO) -> Iterator[Row | None]:
    """Yield the rows of a file with one JSON object per line, and None for a blank line."""
    for line, text in enumerate(lines := Lines(file), 1):
        lines.begin_row()
        stripped = text.strip()
        yield _object(Row(0, line, [stripped]), stripped) if stripped else None


def _object(row: Row, text: str) -> Row:
    if len(text) > MAX_OBJECT:
        detail = f"This line is longer than {MAX_OBJECT:,} characters, the maximum for one student."
        row.errors.append(RowError("", "", "json_invalid", detail))
        return row
    try:
        content = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()  # raises ValueError for a lone surrogate
    except (ValueError, RecursionError):
        row.errors.append(RowError("", "", "json_invalid", "This line is not valid JSON."))
        return row
    if not isinstance(content, dict):
        row.errors.append(RowError("", "", "object", "This line is not a JSON object."))
        return row
    if len(content) > MAX_MEMBERS:
        row.errors.append(RowError("", "", "extra_forbidden", f"This object has {len(content)} members."))
        return row
    row.content = {name: value for name, value in content.items() if name not in StudentPatch.read_only}
    return row
