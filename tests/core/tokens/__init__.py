"""Tests of `claude_bridge.core.tokens`."""
