"""Promises of replacing a file: in one step, with mode and owner of the old one, and nothing left behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from claude_bridge.client.staged_file import ReadOnly, make_folders, read, stage


class StageTests:
    """New content for a file."""

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o700])
    def test_commit(self, mode: int, tmp_path: Path) -> None:
        """The file has the old content until `commit`, and then the new one, with the old mode."""
        path = tmp_path / "f"
        path.write_bytes(b"old")
        path.chmod(mode)
        staged = stage(path, b"new")
        assert path.read_bytes() == b"old"
        staged.commit()
        assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_owner(self, tmp_path: Path) -> None:
        """It belongs to whom the old one did."""
        path = tmp_path / "f"
        path.write_bytes(b"old")
        os.chown(path, 1234, 4321)
        stage(path, b"new").commit()
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)

    def test_discard(self, tmp_path: Path) -> None:
        """What is discarded leaves nothing."""
        stage(tmp_path / "f", b"new").discard()
        assert list(tmp_path.iterdir()) == []

    def test_new_file(self, tmp_path: Path) -> None:
        """A file that was not there is for its owner alone."""
        stage(tmp_path / "f", b"new").commit()
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600

    @pytest.mark.parametrize("there", [True, False])
    def test_symbolic_link(self, there: bool, tmp_path: Path) -> None:
        """A link is followed, over another link and to a file that is not there yet too."""
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("three")
        if there:
            (tmp_path / "three").write_bytes(b"old")
        stage(tmp_path / "one", b"new").commit()
        assert (tmp_path / "two").is_symlink()
        assert not (tmp_path / "three").is_symlink()
        assert (tmp_path / "three").read_bytes() == b"new"

    @pytest.mark.parametrize("protected", ["f", "."])
    def test_protected(self, protected: str, tmp_path: Path) -> None:
        """A file that its owner protects is not replaced, nor is one in a protected folder."""
        path = tmp_path / "f"
        path.write_bytes(b"old")
        (tmp_path / protected).chmod(0o555)
        with pytest.raises(ReadOnly) as caught:
            stage(path, b"new")
        (tmp_path / protected).chmod(0o755)
        assert caught.value.filename == str((tmp_path / protected).resolve())
        assert [each.name for each in tmp_path.iterdir()] == ["f"]

    def test_remains_of_the_killed(self, tmp_path: Path) -> None:
        """What a process that was killed has left goes with the next one; files of others stay."""
        stage(tmp_path / "f", b"half")
        (tmp_path / ".f.swp").write_bytes(b"")
        stage(tmp_path / "f", b"new").commit()
        assert sorted(each.name for each in tmp_path.iterdir()) == [".f.swp", "f"]

    def test_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the content does not reach the disk nothing is left."""

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            stage(tmp_path / "f", b"new")
        assert list(tmp_path.iterdir()) == []


class ReadTests:
    """What a file has."""

    def test_read(self, tmp_path: Path) -> None:
        """It is the content, or None without a file."""
        assert read(tmp_path / "f") is None
        (tmp_path / "f").write_bytes(b"x")
        assert read(tmp_path / "f") == b"x"

    def test_no_file(self, tmp_path: Path) -> None:
        """A folder is none, and a pipe, which would block, neither."""
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path, tmp_path / "pipe"):
            with pytest.raises(OSError, match="not a file"):
                read(path)


class MakeFoldersTests:
    """Folders that are missing."""

    def test_make(self, tmp_path: Path) -> None:
        """They are made for their owner alone, and named, the outer ones first."""
        assert make_folders(tmp_path / "a" / "b") == (tmp_path / "a", tmp_path / "a" / "b")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
        assert make_folders(tmp_path / "a" / "b") == ()

    def test_protected(self, tmp_path: Path) -> None:
        """Nothing is made in a folder that its owner protects."""
        tmp_path.chmod(0o555)
        with pytest.raises(ReadOnly):
            make_folders(tmp_path / "a")
        tmp_path.chmod(0o755)
        assert list(tmp_path.iterdir()) == []
