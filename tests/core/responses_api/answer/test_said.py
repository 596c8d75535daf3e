"""Tests for `claude_bridge.core.responses_api.answer.said`."""

from __future__ import annotations

import pytest

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.responses_api.answer.said import MAX_PLACES, Said
from claude_bridge.core.responses_api.wire_types import StreamEvent


class PlaceTests:
    """What counts as said."""

    def test_by_id_or_index(self) -> None:
        """An item is the same by its id or by its index, as either may be missing, or the id change."""
        said = Said()
        said.note(StreamEvent(item_id="a", output_index=0))
        assert said.has_item("a", None)
        assert said.has_item("other", 0)
        assert not said.has_item("b", 1)
        assert not said.has_item(None, None)

    def test_parts(self) -> None:
        """Each part is one of its own."""
        said = Said()
        said.note(StreamEvent(item_id="a", summary_index=1))
        assert said.has_part(StreamEvent(item_id="a", content_index=1))
        assert not said.has_part(StreamEvent(item_id="a"))

    def test_the_latest(self) -> None:
        """Without ids and indices the latest item is meant, until another begins; named ones stay known."""
        said = Said()
        said.note(StreamEvent())
        said.note(StreamEvent(item_id="a"))
        assert said.has_part(StreamEvent())
        said.next_item()
        assert not said.has_item(None, None)
        assert said.has_item("a", None)
        said.note(StreamEvent())
        assert said.has_item(None, None)

    def test_bounded(self) -> None:
        """No backend can fill the memory with ids."""
        said = Said()
        for number in range(MAX_PLACES // 2 + 1):  # each counts for its part and for itself
            said.note(StreamEvent(item_id=str(number)))
        with pytest.raises(UpstreamProtocolError, match="more than 10000 parts"):
            said.note(StreamEvent(item_id="more"))
