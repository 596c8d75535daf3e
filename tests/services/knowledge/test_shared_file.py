"""Promises of a file that several processes share."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from claude_bridge.services.knowledge.shared_file import STALE_SECONDS, change, read, replace, sweep

NAME = "learned.json"


class ReplaceTests:
    """A file that is replaced."""

    def test_failed_write(self, tmp_path: Path) -> None:
        """A file that cannot be replaced stays whole, and no half of a new one is left."""
        (tmp_path / NAME / "in the way").mkdir(parents=True)
        with pytest.raises(OSError, match="directory"):
            replace(tmp_path / NAME, b"x")
        assert [path.name for path in tmp_path.iterdir()] == [NAME]

    def test_never_mixed(self, tmp_path: Path) -> None:
        """What several write at the same time is never mixed."""
        contents = [bytes([65 + number]) * 50_000 for number in range(4)]

        def write(content: bytes) -> None:
            for _ in range(20):
                replace(tmp_path / NAME, content)

        threads = [threading.Thread(target=write, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        replace(tmp_path / NAME, contents[0])
        while any(thread.is_alive() for thread in threads):
            assert read(tmp_path / NAME) in contents
        assert [path.name for path in tmp_path.iterdir()] == [NAME]


def count_up(path: str, times: int) -> None:
    """Add to the number in a file, as a process of its own."""
    for _ in range(times):
        change(Path(path), lambda content: str(int(content or b"0") + 1).encode(), 60)


class ChangeTests:
    """A file that is changed by several."""

    def test_nothing_is_lost(self, tmp_path: Path) -> None:
        """What each of several processes changes at the same time is all there in the end."""
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=count_up, args=(str(tmp_path / NAME), 20)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert read(tmp_path / NAME) == b"60"
        assert [path.name for path in tmp_path.iterdir()] == [NAME]

    def test_others_hang(self, tmp_path: Path) -> None:
        """A process that never lets go of the file keeps nobody from writing for ever."""
        free, entered = threading.Event(), threading.Event()

        def hang(content: bytes) -> bytes:
            entered.set()
            free.wait(30)
            return content

        hanging = threading.Thread(target=change, args=(tmp_path / NAME, hang))
        hanging.start()
        assert entered.wait(30)
        change(tmp_path / NAME, lambda _: b"x", 0)
        assert read(tmp_path / NAME) == b"x"
        free.set()
        hanging.join()

    def test_same(self, tmp_path: Path) -> None:
        """Where nothing changes, nothing is written."""
        (tmp_path / NAME).write_bytes(b"x")
        before = (tmp_path / NAME).stat()
        change(tmp_path / NAME, lambda content: content)
        assert (tmp_path / NAME).stat() == before

    def test_fails(self, tmp_path: Path) -> None:
        """A file that cannot be changed stays as it is, and the next one gets its turn."""
        (tmp_path / NAME).write_bytes(b"x")

        def fail(_: bytes) -> bytes:
            raise LookupError

        with pytest.raises(LookupError):
            change(tmp_path / NAME, fail)
        change(tmp_path / NAME, lambda content: content + b"y", 0)
        assert read(tmp_path / NAME) == b"xy"


class SweepTests:
    """What killed processes leave."""

    def test_stale(self, tmp_path: Path) -> None:
        """Only unfinished files of this very file, of this user and some age are removed."""
        left, young = tmp_path / f".{NAME}.abcd_123", tmp_path / f".{NAME}.younger1"
        others = [tmp_path / name for name in (NAME, f"{NAME}.bad", f".{NAME}.notes", ".other.json.abcd_123")]
        theirs, link, folder = (tmp_path / f".{NAME}.{name}" for name in ("of_other", "a_link__", "a_folder"))
        for path in (left, young, *others, theirs):
            path.touch()
        link.symlink_to(NAME)
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(theirs, 65534, 65534)
        else:
            theirs.unlink()
        now = left.stat().st_mtime + STALE_SECONDS + 1
        os.utime(young, (now - 1, now - 1))
        before = set(tmp_path.iterdir())
        assert sweep(tmp_path / NAME, now) == 1
        assert before - set(tmp_path.iterdir()) == {left}

    def test_while_somebody_writes(self, tmp_path: Path) -> None:
        """While another process writes nothing is removed, whatever the clock says."""
        left = tmp_path / f".{NAME}.abcd_123"
        left.touch()
        late = left.stat().st_mtime + 10 * STALE_SECONDS
        swept: list[int] = []

        def write(_: bytes) -> bytes:
            swept.append(sweep(tmp_path / NAME, late))
            return b"x"

        change(tmp_path / NAME, write)
        assert swept == [0]
        assert sweep(tmp_path / NAME, late) == 1

    def test_nothing(self, tmp_path: Path) -> None:
        """A directory without any is left as it is."""
        assert sweep(tmp_path / NAME, 1e11) == 0
