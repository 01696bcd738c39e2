"""The names of columns that are not subjects."""

FIELDS = ("roll_no", "name", "branch")
# The column that `errors.csv` adds; imports ignore it.
REASON = "import_error"
