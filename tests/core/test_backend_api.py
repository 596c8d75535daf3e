"""Tests for `claude_bridge.core.backend_api`: what the values show of themselves."""

from __future__ import annotations

from claude_bridge.core.backend_api import UpstreamFailure


class UpstreamFailureTests:
    """A failure of a backend."""

    def test_words_do_not_show(self) -> None:
        """A message may quote a credential or the prompt: what a log or a traceback shows has none of it."""
        assert "topsecret" not in repr(UpstreamFailure(status=401, message="bad key topsecret"))
