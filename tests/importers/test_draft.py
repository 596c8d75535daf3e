"""A configuration while it is put together."""

from __future__ import annotations

from claude_bridge.importers.draft import Finding, ImportedConfiguration, KeyOfBackend
from claude_bridge.importers.text import plain


class DraftTests:
    """What a reader adds to."""

    def test_findings_once(self) -> None:
        """What is reported twice stands there once."""
        draft = ImportedConfiguration(tool="X", source_words="a file of X")
        for _ in range(2):
            draft.lose("a", "is lost")
            draft.remark("b", "is not needed")
        assert draft.findings == [Finding("a", "is lost"), Finding("b", "is not needed", lost=False)]

    def test_options_of_a_key(self) -> None:
        """They stand as the file has them, those that are set."""
        assert KeyOfBackend(key=plain("k"), weight=2, tpm=5).options == " weight=2 tpm=5"
        assert KeyOfBackend(key=plain("k")).options == ""
