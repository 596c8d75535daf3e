"""One upstream request: the treq client, the connection pool and the body protocol."""
