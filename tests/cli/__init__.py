"""Tests of `claude_bridge.cli`."""
