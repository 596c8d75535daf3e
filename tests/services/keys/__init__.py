"""Tests of `claude_bridge.services.keys`."""
