"""MongoDB access: the client, operations on collections, and the embedded server."""
