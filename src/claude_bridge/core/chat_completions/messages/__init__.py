"""The conversation as chat messages, as each server takes them."""
