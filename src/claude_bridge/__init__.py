"""claude-bridge: the Anthropic Messages API in front of OpenAI-compatible backends."""
