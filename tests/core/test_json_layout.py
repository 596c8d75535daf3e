"""Tests for `claude_bridge.core.json_layout`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.json_layout import MAX_MEMBERS, Edits, elements, members
from tests.core.anthropic_backend.bodies import objects, written_values
from tests.core.strategies import JSON, OBJECTS


class MembersTests:
    """Where the members of an object stand."""

    @given(written_values(objects()))
    def test_places(self, pair: tuple[dict[str, Any], bytes]) -> None:
        """Each value's bytes stand at its place, each key at its own, in order."""
        value, text = pair
        found = members(text)
        assert [member.key for member in found] == list(value)
        for member in found:
            assert json.loads(text[member.start : member.end]) == value[member.key]
            assert bytes(member.raw) == text[member.start : member.end]
            assert text[member.key_start : member.start].startswith(b'"')

    @given(written_values(objects(inner={"a": [1, {"b": 2}]})))
    def test_inner_object(self, pair: tuple[dict[str, Any], bytes]) -> None:
        """The places of an inner object are places in the whole text."""
        _value, text = pair
        inner = next(member for member in members(text) if member.key == "inner")
        (only,) = members(text, inner.raw, inner.start)
        _first, second = elements(text, only.raw, only.start)
        (last,) = members(text, second.raw, second.start)
        assert text[last.start : last.end] == b"2"

    @pytest.mark.parametrize(
        "text",
        [
            b'{"a":1,"a":2}',
            b'{"a":12,"a":1}',
            b'{"a":1,"a":1}',
            b'{"a":1, "\\u0061":1}',
            b'{"a":{"b":1},"a":{"b":1,"c":2}}',
            b'{"a":"x","b":0,"a":"xy"}',
        ],
    )
    def test_twice(self, text: bytes) -> None:
        """A member that stands twice is refused by its name, whether its values are the same or not."""
        with pytest.raises(InvalidRequest, match="a: the request has this field twice"):
            members(text)

    @given(OBJECTS, OBJECTS, st.data())
    def test_never_a_wrong_place(self, first: dict[str, Any], second: dict[str, Any], data: st.DataObject) -> None:
        """However members are repeated, the places are right or there is an error."""
        repeated = data.draw(st.booleans())
        pairs = data.draw(st.permutations([*first.items(), *second.items(), *(first.items() if repeated else ())]))
        text = b"{%b}" % b",".join(b"%b:%b" % (json.dumps(k).encode(), json.dumps(v).encode()) for k, v in pairs)
        try:
            found = members(text)
        except InvalidRequest:
            assert len({key for key, _ in pairs}) < len(pairs)
        else:
            assert [(each.key, json.loads(text[each.start : each.end])) for each in found] == pairs

    @pytest.mark.parametrize("text", [b"[]", b"3", b"{", b'{"a":1}}', b""])
    def test_no_object(self, text: bytes) -> None:
        """What is no object is the client's mistake."""
        with pytest.raises(InvalidRequest):
            members(text)

    def test_too_many(self) -> None:
        """An object with more members than a request ever has is refused, not walked."""
        with pytest.raises(InvalidRequest, match="more than"):
            members(b"{%b}" % b",".join(b'"%d":0' % number for number in range(MAX_MEMBERS + 1)))

    def test_empty(self) -> None:
        """An empty object has no members."""
        assert members(b" { } ") == []


class ElementsTests:
    """Where the values of a list stand."""

    @given(written_values(st.lists(JSON, max_size=5)))
    def test_places(self, pair: tuple[list[Any], bytes]) -> None:
        """Each value's bytes stand at its place."""
        value, text = pair
        found = elements(b"xx" + text, Raw(text), 2)
        assert [json.loads((b"xx" + text)[each.start : each.end]) for each in found] == value

    def test_no_list(self) -> None:
        """What is no list is the client's mistake."""
        with pytest.raises(InvalidRequest):
            elements(b"{}", Raw(b"{}"), 0)


class EditsTests:
    """Replacing and cutting."""

    @given(written_values(st.lists(JSON, min_size=1, max_size=6)), st.sets(st.integers(0, 5)))
    def test_dropped_values(self, pair: tuple[list[Any], bytes], dropped: set[int]) -> None:
        """The text without some values is a list of the others, whose bytes are the same."""
        value, text = pair
        found = elements(text, Raw(text), 0)
        edits = Edits(text)
        edits.drop(found, dropped)
        without = edits.applied()
        assert json.loads(without) == [each for at, each in enumerate(value) if at not in dropped]
        kept = [bytes(each.raw) for at, each in enumerate(found) if at not in dropped]
        assert [bytes(each.raw) for each in elements(without, Raw(without), 0)] == kept

    @given(written_values(objects(model="x")), st.data())
    def test_dropped_members(self, pair: tuple[dict[str, Any], bytes], data: st.DataObject) -> None:
        """The text without some members is an object with the others."""
        value, text = pair
        dropped = data.draw(st.sets(st.integers(0, len(value) - 1)))
        edits = Edits(text)
        edits.drop(members(text), dropped)
        kept = {key: each for at, (key, each) in enumerate(value.items()) if at not in dropped}
        assert json.loads(edits.applied()) == kept

    def test_both(self) -> None:
        """What is dropped beside what is replaced takes nothing of it along."""
        text = b"[1, 2 ,3 , 4]"
        found = elements(text, Raw(text), 0)
        edits = Edits(text)
        edits.replace(found[1].start, found[1].end, b"22")
        edits.drop(found, {0, 2, 3})
        assert edits.applied() == b"[22]"
