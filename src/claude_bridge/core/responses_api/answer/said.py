"""Remembers which parts of an answer were said, so that their ends, which repeat them, are not read as more.

Ends may come late, behind other items, as llama.cpp sends them. An item is known by its id and by its index, as some
servers leave out one of them, or give each event another id. Where both are missing, the latest item is meant.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.responses_api.wire_types import StreamEvent

MAX_PLACES: Final = 10_000
"""Places of one answer that are remembered; more come only from a faulty backend, and each costs memory."""

_WHOLE: Final = -1
"""Stands for all parts of an item."""

_Place = tuple[str | int, int]
"""An item by its id or index, and the number of one of its parts, or `_WHOLE`."""


@define
class Said:
    """The places of one answer where something was said."""

    _places: set[_Place] = field(factory=set, init=False)
    _latest: set[int] = field(factory=set, init=False)
    _noted: tuple[str | None, int | None, int] | None = field(default=None, init=False)

    def note(self, event: StreamEvent) -> None:
        """Remember that the event's part was said, at least in part."""
        noted = event.item_id, event.output_index, _part(event)
        if noted == self._noted:
            return  # nearly every delta continues the one before it
        self._noted = noted
        if len(self._places) + len(self._latest) > MAX_PLACES:
            raise UpstreamProtocolError(f"the backend sent more than {MAX_PLACES} parts in one answer")
        item_id, index, part = noted
        for item in (item_id, index):
            if item is not None:
                self._places |= {(item, part), (item, _WHOLE)}
        if item_id is None and index is None:
            self._latest |= {part, _WHOLE}

    def has_part(self, event: StreamEvent) -> bool:
        """Return whether the event's part was said."""
        return self._has(event.item_id, event.output_index, _part(event))

    def has_item(self, item_id: str | None, index: int | None) -> bool:
        """Return whether any part of an item was said."""
        return self._has(item_id, index, _WHOLE)

    def next_item(self) -> None:
        """Forget the latest item, where items have neither ids nor indices: another one is the latest."""
        self._noted = None
        self._latest.clear()

    def _has(self, item_id: str | None, index: int | None, part: int) -> bool:
        if item_id is None and index is None:
            return part in self._latest
        return any((item, part) in self._places for item in (item_id, index) if item is not None)


def _part(event: StreamEvent) -> int:
    return event.content_index or event.summary_index or 0
