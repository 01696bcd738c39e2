"""What is counted of imports, and of undoing them."""

from core.metrics import Counter

STARTED = Counter("imports_started_total", "Imports, and undoings of them, that were begun or taken up again.")
ENDED = Counter("imports_ended_total", "Those that have ended, by the state they ended in.", ["state"])
INTERRUPTED = ENDED.labels("interrupted")
ROWS = Counter("import_rows_total", "Rows that were written, and rows that failed, by what came of them.", ["outcome"])
