"""Tests of `claude_bridge.services.knowledge`."""
