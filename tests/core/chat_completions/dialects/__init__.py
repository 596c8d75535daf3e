"""Tests of `claude_bridge.core.chat_completions.dialects`."""
