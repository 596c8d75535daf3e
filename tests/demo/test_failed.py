"""Failures of the demonstration are told in words."""

from __future__ import annotations

from claude_bridge.demo.failed import DemoFailed


class DemoFailedTests:
    """The text that a user sees."""

    def test_text(self) -> None:
        """The message comes first, the last lines of whoever failed below it, indented."""
        assert str(DemoFailed("it broke:", ["one", "two"])) == "it broke:\n    one\n    two"
        assert str(DemoFailed("it broke")) == "it broke"
