"""Tests of `claude_bridge.core.chat_completions.json_schema`."""
