"""Metrics of imports and their undos."""

from core.metrics import Counter

STARTED = Counter("imports_started_total", "Imports and undos that were started or resumed.")
ENDED = Counter("imports_ended_total", "Imports and undos that ended, by final state.", ["state"])
INTERRUPTED = ENDED.labels("interrupted")
ROWS = Counter("import_rows_total", "Rows of imports that were written or failed, by outcome.", ["outcome"])
