"""Tests of `claude_bridge.daemon.logs`."""
