"""Tests of `claude_bridge.services.exchange`."""
