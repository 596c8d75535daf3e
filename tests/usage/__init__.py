"""Tests of `claude_bridge.usage`."""
