"""Sanitising of tools' JSON schemas: reducing them to what a server accepts."""
