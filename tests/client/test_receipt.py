"""Promises of receipts: they come back as they were, and what is no receipt is told."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from claude_bridge.client.receipt import (
    ChangedMember,
    DamagedReceipt,
    Receipt,
    digest,
    load,
    merged_objects,
    receipt_file,
    save,
)

MEMBER = ChangedMember(("env", "A"), (digest("new"), digest("newer")), '"sk-old"')
RECEIPT = Receipt(
    settings="/home/é/.claude/settings.json",
    members=(MEMBER, ChangedMember(("b",), (), None)),
    objects=(((), "\r\n"), (("env",), None)),
    made=True,
    blank="\ufeff",
    folders=("/home/é/.claude",),
    published=("glm",),
    model='"opus"',
)


class ChangedMemberTests:
    """What became of a member."""

    @pytest.mark.parametrize(
        ("text", "state"),
        [
            ('{"env": {"A": "new"}}', "ours"),
            (r'{"env": {"A": "n\u0065wer"}}', "ours"),
            ('{"env": {"A": "sk-old"}}', "before"),
            ('{"env": {"A": "other"}}', "changed"),
            ('{"env": {"A": null}}', "changed"),
            ('{"env": []}', "changed"),
            ('{"env": {}}', "removed"),
            ("{}", "removed"),
        ],
    )
    def test_state(self, text: str, state: str) -> None:
        """It has one of our values, however spelled, the one from before, another one, or it is gone."""
        assert MEMBER.state(text) == state

    def test_added(self) -> None:
        """One that was not there before is as before when it is gone."""
        assert ChangedMember(("b",), (digest(1),), None).state("{}") == "before"

    def test_repr(self) -> None:
        """No repr shows what stood there."""
        assert "sk-old" not in repr(RECEIPT)


class FileTests:
    """The file of a receipt."""

    def test_load(self, tmp_path: Path) -> None:
        """What was saved is loaded, from a file for the owner alone in a folder for the owner alone."""
        path = tmp_path / "state" / "r.json"
        save(path, RECEIPT)
        assert load(path) == RECEIPT
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert load(tmp_path / "none.json") is None

    def test_not_written_twice(self, tmp_path: Path) -> None:
        """A receipt that is there already is not written again."""
        path = tmp_path / "r.json"
        save(path, RECEIPT)
        before = path.stat().st_ino
        save(path, RECEIPT)
        assert path.stat().st_ino == before

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is damaged; remove it"),
            (b"\xff", "is damaged"),
            (b"[]", "is damaged"),
            (b'{"version": 1}', "is damaged"),
            (b'{"version": 1, "receipt": {"settings": "x", "members": 5}}', "is damaged"),
            (b'{"version": 2}', "is of another version"),
            (b"[" * 100_000, "is damaged"),
        ],
    )
    def test_damaged(self, content: bytes, told: str, tmp_path: Path) -> None:
        """What is no receipt is told with its path."""
        path = tmp_path / "r.json"
        path.write_bytes(content)
        with pytest.raises(DamagedReceipt) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path} {told}")

    def test_unknown_fields(self, tmp_path: Path) -> None:
        """Fields of a later release do no harm."""
        path = tmp_path / "r.json"
        path.write_text(json.dumps({"version": 1, "receipt": {"settings": "x", "later": 1}}))
        assert load(path) == Receipt(settings="x")

    def test_link(self, tmp_path: Path) -> None:
        """A file has one receipt, under whichever link it is named."""
        (tmp_path / "link").symlink_to("file")
        assert receipt_file("/s", tmp_path / "link") == receipt_file("/s", tmp_path / "file")
        assert receipt_file("/s", tmp_path / "other") != receipt_file("/s", tmp_path / "file")


class MergedObjectsTests:
    """The objects of two set-ups."""

    def test_merged(self) -> None:
        """The newer form of an object counts, and outer ones come first."""
        old: tuple[tuple[tuple[str, ...], str | None], ...] = ((("env",), None), (("b",), ""))
        assert merged_objects(old, ((("env",), " "), ((), "\n"))) == (((), "\n"), (("b",), ""), (("env",), " "))
