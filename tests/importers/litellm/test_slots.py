"""Tests for `claude_bridge.importers.litellm.slots`."""

from __future__ import annotations

from claude_bridge.config.secret import Secret
from claude_bridge.importers.draft import KeyOfBackend
from claude_bridge.importers.litellm.deployment import Deployment, Place
from claude_bridge.importers.litellm.slots import slots_of
from claude_bridge.importers.text import Text, plain


def deployment(host: str, key: str = "", *, order: float | None = None, weight: int | None = None) -> Deployment:
    """Return an entry at a host, with a key."""
    text = Text(parts=(Secret(key),), instead="K")
    return Deployment(
        path=f"{host}{key}",
        group="g",
        model="m",
        place=Place(hint=host, url=plain(f"http://{host}")),
        key=KeyOfBackend(key=text, weight=weight, rpm=weight) if key else None,
        order=order,
    )


class SlotTests:
    """One model at one place."""

    def test_keys_of_one_place(self) -> None:
        """Entries that differ in their keys alone are one slot, with each key once."""
        (slot,) = slots_of([deployment("a", "k1", weight=2), deployment("a", "k2"), deployment("a", "k1")])
        assert [key.key.parts for key in slot.keys] == [(Secret("k1"),), (Secret("k2"),)]
        assert [key.weight for key in slot.keys] == [2, None]
        assert slot.is_limited
        assert [key.rpm for key in slot.bare_keys] == [None, None]
        assert (slot.first.path, slot.model, slot.share) == ("ak1", "m", 2)

    def test_order(self) -> None:
        """The order of the file decides, then the share, then who comes first; without an order is last."""
        found = slots_of(
            [
                deployment("d", "k", weight=1),
                deployment("c", "k", weight=9),
                deployment("b", order=2),
                deployment("a", order=1),
                deployment("e", "k", weight=1),
            ]
        )
        assert [slot.place.hint for slot in found] == ["a", "b", "c", "d", "e"]

    def test_no_key(self) -> None:
        """A place without keys has none."""
        (slot,) = slots_of([deployment("a"), deployment("a")])
        assert slot.keys == ()
        assert not slot.is_limited
