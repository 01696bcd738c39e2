"""The version of the API. Raise it when a change breaks clients, then run `python -m core openapi`."""

VERSION = "0.2.0"
