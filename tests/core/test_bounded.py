"""Tests for `claude_bridge.core.bounded`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.bounded import BoundedMap


def lengths(most: int = 10, weight: int = 8) -> BoundedMap[str, str]:
    """Return a map whose values weigh what they are long."""
    return BoundedMap(most, weight, lambda _, value: len(value))


class BoundedMapTests:
    """What is kept, and what goes first."""

    def test_kept(self) -> None:
        """What was put is there, and nothing else."""
        kept: BoundedMap[str, int] = BoundedMap(2)
        kept.put("a", 0)
        assert (kept.get("a"), kept.peek("a"), kept.get("b"), kept.peek("b")) == (0, 0, None, None)
        assert "a" in kept
        assert list(kept) == ["a"]

    def test_number(self) -> None:
        """Of too many the one not used for longest goes: to get and to put are uses, to peek is none."""
        kept: BoundedMap[str, int] = BoundedMap(3)
        for number, key in enumerate("abc"):
            kept.put(key, number)
        kept.get("a")
        kept.put("b", 7)
        kept.peek("c")
        kept.put("d", 4)
        assert list(kept.items()) == [("a", 0), ("b", 7), ("d", 4)]

    def test_weight(self) -> None:
        """Heavy ones push out others."""
        kept = lengths()
        for key, value in (("a", "aaa"), ("b", "bbb"), ("c", "cccccc")):
            kept.put(key, value)
        assert list(kept) == ["c"]
        assert kept.weight == 6

    def test_too_heavy(self) -> None:
        """One that would push out everything and still not fit is not kept; the others stay."""
        kept = lengths()
        kept.put("a", "a")
        kept.put("b", "b" * 9)
        assert list(kept) == ["a"]

    def test_put_again(self) -> None:
        """A newer value takes the place of the older, also in the sum."""
        kept = lengths()
        for _ in range(5):
            kept.put("a", "aaaa")
        kept.put("b", "bbbb")
        assert list(kept) == ["a", "b"]

    def test_discard(self) -> None:
        """What is forgotten gives its room back; what is not there may be forgotten, too."""
        kept = lengths(weight=4)
        kept.put("a", "aaaa")
        kept.discard("a")
        kept.discard("a")
        assert kept.weight == 0
        kept.put("b", "bb")
        kept.clear()
        assert (len(kept), kept.weight) == (0, 0)

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.text("x", max_size=6))))
    def test_bounds(self, values: list[tuple[str, str]]) -> None:
        """Whatever is put, both bounds hold, the sum is true, and the last one that fits is there."""
        kept = lengths(3, 5)
        for key, value in values:
            kept.put(key, value)
            assert len(kept) <= 3
            assert kept.weight == sum(len(each) for _, each in kept.items()) <= 5
            assert kept.get(key) == (value if len(value) <= 5 else None)
