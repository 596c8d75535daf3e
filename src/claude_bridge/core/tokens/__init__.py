"""Estimates of a prompt's tokens, and whether it fits its model's context window."""
