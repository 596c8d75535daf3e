"""The clients' side: the Anthropic Messages API, its requests, streams and whole messages."""
