"""What makes a workbook unreadable."""

TOO_LARGE = "This workbook has more cells than can be read at once. Save the sheet as CSV (UTF-8), and send that."
DAMAGED = (
    "This workbook cannot be read: it is damaged, or was not transferred completely. Open it in your spreadsheet "
    "program, save it again, and send that."
)


class UnreadableWorkbook(Exception):
    """A workbook cannot be read; the message is a sentence for the person who sent it."""
