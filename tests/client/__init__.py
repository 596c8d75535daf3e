"""Tests of `claude_bridge.client`."""
