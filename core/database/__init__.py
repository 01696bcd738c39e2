"""MongoDB: the client, what is done with collections, and the server that starts by itself."""
