"""Which route answers a request, and what is checked before it reads the body."""
