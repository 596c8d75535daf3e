"""One file a server: how it differs from what OpenAI documents."""
