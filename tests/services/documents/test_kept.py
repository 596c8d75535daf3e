"""Texts are kept, within bounds."""

from __future__ import annotations

from claude_bridge.services.documents.kept import TextCache


class KeptTests:
    """What was read before."""

    def test_kept(self) -> None:
        """What was put is given, and nothing else."""
        kept = TextCache()
        kept.put(b"a", "text")
        assert kept.get(b"a", 1e9) == "text"
        assert kept.get(b"b", 0) is None

    def test_number_is_bounded(self) -> None:
        """Of too many the one not used for longest goes."""
        kept = TextCache(2)
        kept.put(b"a", "A")
        kept.put(b"b", "B")
        kept.get(b"a", 0)
        kept.put(b"c", "C")
        assert [kept.get(key, 0) for key in (b"a", b"b", b"c")] == ["A", None, "C"]

    def test_bytes_are_bounded(self) -> None:
        """Long texts push out others, by their bytes and not by their characters."""
        kept = TextCache(10, 8)
        kept.put(b"a", "aaa")
        kept.put(b"b", "bbb")
        kept.put(b"c", "ééé")
        assert [kept.get(key, 0) for key in (b"a", b"b", b"c")] == [None, None, "ééé"]

    def test_too_long_for_itself(self) -> None:
        """A text that would push out everything and still not fit is not kept; the others stay."""
        kept = TextCache(10, 8)
        kept.put(b"a", "a")
        kept.put(b"b", "b" * 9)
        assert [kept.get(key, 0) for key in (b"a", b"b")] == ["a", None]

    def test_put_again(self) -> None:
        """A newer text of the same document takes the place of the older, also in the sum."""
        kept = TextCache(10, 8)
        for _ in range(5):
            kept.put(b"a", "aaaa")
        kept.put(b"b", "bbbb")
        assert [kept.get(key, 0) for key in (b"a", b"b")] == ["aaaa", "bbbb"]

    def test_until(self) -> None:
        """What is good for a while is gone after that, and its room is free again."""
        kept = TextCache(10, 4)
        kept.put(b"a", "aaaa", until=10)
        assert kept.get(b"a", 9.9) == "aaaa"
        assert kept.get(b"a", 10) is None
        kept.put(b"b", "bbbb")
        assert kept.get(b"b", 10) == "bbbb"
