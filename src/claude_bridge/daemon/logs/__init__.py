"""What the daemon says on standard error: one JSON object a line, or short text for a person.

Nothing is written that was not passed through ``redact`` first, and nobody ever waits for whoever reads it.
"""
