"""The conventions of the API that all modules share: errors, conditional requests, pagination and field types."""
