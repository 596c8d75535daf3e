"""Tests of `claude_bridge.services.accounting.store`."""
