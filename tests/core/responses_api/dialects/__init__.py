"""Tests of `claude_bridge.core.responses_api.dialects`."""
