"""Errors of backends: parsed, classified, and translated into the client's error format."""
