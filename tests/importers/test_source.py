"""What a reader of one tool's files is given."""

from __future__ import annotations

from claude_bridge.importers.source import NotUsable, Source


class SourceTests:
    """A file."""

    def test_defaults(self) -> None:
        """The address of the old program is not taken over unless that is asked for."""
        assert not Source(text="", path="", read=lambda _path: b"").keep_port

    def test_reason(self) -> None:
        """Why a file cannot be used is the text of the exception."""
        assert str(NotUsable("it is empty")) == "it is empty"
