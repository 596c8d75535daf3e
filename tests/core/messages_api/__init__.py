"""Tests of `claude_bridge.core.messages_api`."""
