"""One kind of backend: servers that speak OpenAI chat completions, each in its dialect."""
