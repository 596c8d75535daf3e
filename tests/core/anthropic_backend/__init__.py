"""Tests of `claude_bridge.core.anthropic_backend`."""
