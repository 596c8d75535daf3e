"""The pure part: bytes and values in, values and bytes out. No Twisted, clock, files, environment or logging."""
