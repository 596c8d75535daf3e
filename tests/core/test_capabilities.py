"""Tests for `claude_bridge.core.capabilities`."""

from __future__ import annotations

from claude_bridge.core.capabilities import rejected


class RejectedTests:
    """Refusals that Claude Code mends by itself."""

    def test_words(self) -> None:
        """A 400 has the name that makes Claude Code take the thing out, and words for anybody else."""
        refusal = rejected("image_block", "this model cannot see images")
        assert (refusal.status, refusal.kind) == (400, "invalid_request_error")
        assert str(refusal) == "capability_rejected: image_block: this model cannot see images"
