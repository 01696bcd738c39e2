"""The lookup of routes, and the checks of a request before its body is read."""
