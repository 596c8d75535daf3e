"""One kind of backend: servers that speak OpenAI's Responses API, each in its dialect."""
