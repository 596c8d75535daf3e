"""Tests of `claude_bridge.core.upstream_errors`."""
