"""Tests of `claude_bridge.core.json_schema`."""
