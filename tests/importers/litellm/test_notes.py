"""Tests for `claude_bridge.importers.litellm.notes`."""

from __future__ import annotations

from claude_bridge.importers.draft import Finding, ImportedConfiguration
from claude_bridge.importers.litellm.notes import Notes


class NotesTests:
    """What is told of a file."""

    def test_once(self) -> None:
        """The same of several models is one finding, with the first path and the number of the others."""
        notes, draft = Notes(), ImportedConfiguration(tool="LiteLLM", source_words="a file")
        for path in ("model_list[0].x", "model_list[3].x", "model_list[3].x", "model_list[7].x"):
            notes.lose(path, "gone")
        notes.remark("model_list[0].x", "gone")
        notes.lose("model_list[0].y", "gone")
        notes.write(draft)
        assert draft.findings == [
            Finding("model_list[0].x (and 2 more)", "gone"),
            Finding("model_list[0].x", "gone", lost=False),
            Finding("model_list[0].y", "gone"),
        ]
