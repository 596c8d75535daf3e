"""The daemon's log on standard error: one JSON object per line, or short text for a person.

Everything passes through ``redact`` first, and writing never blocks the reactor.
"""
