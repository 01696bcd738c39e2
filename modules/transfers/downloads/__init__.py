"""Downloads: tables as CSV or XLSX files, written in portions so that memory use is bounded."""
