"""A chat completion read: bytes of a backend -> neutral events."""
