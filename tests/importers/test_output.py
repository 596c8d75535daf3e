"""The file that is written: new, whole, and for its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claude_bridge.importers.output import NotWritten, refuse_unfit, write_new


class WriteTests:
    """One file."""

    def test_new(self, tmp_path: Path) -> None:
        """It has the mode of a secret, and nothing is left beside it."""
        write_new(tmp_path / "a.ini", "x = ü\n", force=False)
        assert (tmp_path / "a.ini").read_bytes() == "x = ü\n".encode()
        assert (tmp_path / "a.ini").stat().st_mode & 0o777 == 0o600
        assert [each.name for each in tmp_path.iterdir()] == ["a.ini"]

    def test_existing(self, tmp_path: Path) -> None:
        """A file that is there is kept, and the message names the option that replaces it."""
        (tmp_path / "a.ini").write_text("old")
        with pytest.raises(NotWritten, match=r"already exists: .* --force"):
            write_new(tmp_path / "a.ini", "new", force=False)
        with pytest.raises(NotWritten, match="--force"):
            refuse_unfit(tmp_path / "a.ini", "-", force=False)
        assert (tmp_path / "a.ini").read_text() == "old"
        assert [each.name for each in tmp_path.iterdir()] == ["a.ini"]

    def test_forced(self, tmp_path: Path) -> None:
        """It is replaced if that is asked for, whoever could read the old one."""
        (tmp_path / "a.ini").write_text("old")
        (tmp_path / "a.ini").chmod(0o644)
        (tmp_path / "link.ini").symlink_to(tmp_path / "a.ini")
        write_new(tmp_path / "link.ini", "new", force=True)
        assert (tmp_path / "a.ini").read_text() == "new"
        assert (tmp_path / "a.ini").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "link.ini").is_symlink()

    def test_dangling_link(self, tmp_path: Path) -> None:
        """A link to nowhere is something that is there."""
        (tmp_path / "link.ini").symlink_to(tmp_path / "gone")
        with pytest.raises(NotWritten):
            refuse_unfit(tmp_path / "link.ini", "-", force=False)

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("name", ["config.json", "link", "hard", "./config.json"])
    def test_source(self, tmp_path: Path, name: str, force: bool) -> None:
        """The file to import is never replaced, under whichever name, and no message proposes it."""
        source = tmp_path / "config.json"
        source.write_text("old")
        (tmp_path / "link").symlink_to(source)
        (tmp_path / "hard").hardlink_to(source)
        with pytest.raises(NotWritten, match="is the file to import, and would be lost: name another file"):
            refuse_unfit(tmp_path / name, str(source), force=force)

    def test_no_file(self, tmp_path: Path) -> None:
        """A device, a pipe or a folder is not replaced by a file."""
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
            with pytest.raises(NotWritten, match="is no file that could be replaced"):
                refuse_unfit(path, "-", force=True)

    def test_name_that_cannot_be(self, tmp_path: Path) -> None:
        """A path of which the system cannot even say whether it exists is a message as well."""
        with pytest.raises(NotWritten, match="cannot be written: File name too long"):
            refuse_unfit(tmp_path / ("x" * 300), "-", force=False)

    def test_links_in_a_circle(self, tmp_path: Path) -> None:
        """Symbolic links that lead nowhere are a message."""
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(NotWritten, match="lead in a circle"):
            write_new(tmp_path / "loop", "x", force=True)

    def test_no_folder(self, tmp_path: Path) -> None:
        """A folder that is not there is named."""
        with pytest.raises(NotWritten, match=r"gone/a\.ini cannot be written: No such file or directory"):
            write_new(tmp_path / "gone" / "a.ini", "x", force=False)

    def test_killed_half_way(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the disk is full nothing is left, and the old file is as it was."""
        (tmp_path / "a.ini").write_text("old")

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(NotWritten, match="No space left"):
            write_new(tmp_path / "a.ini", "new", force=True)
        assert (tmp_path / "a.ini").read_text() == "old"
        assert [each.name for each in tmp_path.iterdir()] == ["a.ini"]
