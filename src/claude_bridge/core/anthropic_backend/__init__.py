"""The Anthropic Messages API as a kind of backend: requests and answers are passed on as they are."""
