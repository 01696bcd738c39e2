"""The version of the API. Increase it for a breaking change, then run `python -m core openapi`."""

VERSION = "0.3.0"
