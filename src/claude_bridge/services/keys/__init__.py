"""Which credential goes to a backend."""
