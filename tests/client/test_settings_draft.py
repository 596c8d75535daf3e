"""Promises of drafts: whose file it is, what it has, and that nobody else's change is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_bridge.client.settings_draft import SetupError, errors, place, read_draft, write


class PlaceTests:
    """Which file is changed."""

    def test_user(self, tmp_path: Path) -> None:
        """It is the user's settings, where the client has them."""
        where = place({"HOME": "/h"}, tmp_path, project=False)
        assert (str(where.settings), where.scope) == ("/h/.claude/settings.json", "user")
        assert where.undo == "claude-bridge undo"
        assert str(where.receipt.parent) == "/h/.local/state/claude-bridge"
        other = place({"HOME": "/h", "CLAUDE_CONFIG_DIR": "/c", "XDG_STATE_HOME": "/s"}, tmp_path, project=False)
        assert (str(other.settings), str(other.receipt.parent)) == ("/c/settings.json", "/s/claude-bridge")

    def test_project(self, tmp_path: Path) -> None:
        """Or the local ones of a project."""
        where = place({"HOME": "/h"}, tmp_path, project=True)
        assert where.settings == tmp_path / ".claude" / "settings.local.json"
        assert where.undo == "claude-bridge undo --project"


class DraftTests:
    """The text of a file."""

    @pytest.mark.parametrize(
        ("content", "text", "blank"),
        [
            (None, "{}\n", True),
            (b"", "{}\n", True),
            (b" \r\n", "{}\n", True),
            (b"\xef\xbb\xbf", "\ufeff{}\n", True),
            (b'{"a": 1}', '{"a": 1}', False),
        ],
    )
    def test_read(self, content: bytes | None, text: str, blank: bool, tmp_path: Path) -> None:
        """A file with nothing in it begins as empty settings."""
        path = tmp_path / "f"
        if content is not None:
            path.write_bytes(content)
        draft = read_draft(path)
        assert (draft.text, draft.is_blank, draft.content) == (text, blank, content)
        assert draft.before == (content or b"").decode()

    def test_write(self, tmp_path: Path) -> None:
        """What is written is UTF-8; the file is not touched if something fails before the last step."""
        where = place({"HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path)}, tmp_path, project=False)
        where.settings.write_text("{}")
        draft = read_draft(where.settings)

        def fails() -> None:
            raise OSError(28, "No space left on device", "receipt")

        with pytest.raises(SetupError, match=r"^receipt: No space left on device; nothing was changed$"), errors(where):
            write(where, draft, '{"é": 1}', fails)
        assert where.settings.read_text() == "{}"
        write(where, draft, '{"é": 1}')
        assert where.settings.read_bytes() == '{"é": 1}'.encode()
        with pytest.raises(SetupError, match="was changed by another program"):
            write(where, draft, "{}")
        assert list(tmp_path.iterdir()) == [where.settings]
