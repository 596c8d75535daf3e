"""Tests of `claude_bridge.core.web_search`."""
