"""Tests for `claude_bridge.core.responses_api.answer.function_calls`."""

from __future__ import annotations

import pytest

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import upstream_id
from claude_bridge.core.responses_api.answer.function_calls import FunctionCalls
from claude_bridge.core.responses_api.wire_types import OutputItem
from claude_bridge.core.streamed_calls import MAX_CALLS


def calls(names: dict[str, str] | None = None) -> FunctionCalls:
    """Make a reader of calls."""
    return FunctionCalls(names or {}, lambda count: b"\0" * count)


def item(item_id: str | None = "fc_1", name: str | None = "f", arguments: str | None = None) -> OutputItem:
    """Make an item; the id of its call follows from its own."""
    call_id = item_id.replace("fc", "call") if item_id else "call_0"
    return OutputItem("function_call", item_id, call_id, name, arguments)


def arguments(events: list[Event], call: int = 0) -> str:
    """Return the arguments of a call, put together."""
    return "".join(each.json for each in events if isinstance(each, ToolArgumentsDelta) and each.call == call)


def started(events: list[Event]) -> list[tuple[int, str, str]]:
    """Return number, id and name of each call that began."""
    return [(each.call, upstream_id(each.id), each.name) for each in events if isinstance(each, ToolCallStarted)]


class UsualTests:
    """Calls as OpenAI sends them."""

    def test_streamed(self) -> None:
        """The call begins at once, and its arguments stream."""
        reader, events = calls({"f": "a.f"}), list[Event]()
        reader.begin(item(), 0, events)
        assert started(events) == [(0, "call_1", "a.f")]
        reader.add("fc_1", 0, '{"a"', events)
        reader.add("fc_1", 0, ":1}", events)
        reader.end_arguments("fc_1", 0, '{"a":1}', events)
        reader.end_item(item(arguments='{"a":1}'), 0, events)
        reader.end(events)
        assert arguments(events) == '{"a":1}'
        assert events.count(ToolCallEnded(0)) == 1
        assert reader.held == 0

    def test_parallel(self) -> None:
        """Fragments of two calls that come in turns go to their calls."""
        reader, events = calls(), list[Event]()
        reader.begin(item("fc_1"), 0, events)
        reader.begin(item("fc_2", "g"), 1, events)
        for piece in ('{"a"', ":1}"):
            reader.add("fc_1", 0, piece, events)
            reader.add("fc_2", 1, piece.replace("a", "b"), events)
        assert started(events) == [(0, "call_1", "f"), (1, "call_2", "g")]
        assert (arguments(events, 0), arguments(events, 1)) == ('{"a":1}', '{"b":1}')


class IrregularTests:
    """Calls of servers that leave something out."""

    def test_arguments_without_deltas(self) -> None:
        """The whole arguments count if none came in pieces."""
        reader, events = calls(), list[Event]()
        reader.begin(item(), 0, events)
        reader.end_arguments("fc_1", 0, '{"a":1}', events)
        assert arguments(events) == '{"a":1}'
        assert events[-1] == ToolCallEnded(0)

    def test_item_alone(self) -> None:
        """An item that is only ever complete is a whole call."""
        reader, events = calls(), list[Event]()
        reader.end_item(item(arguments='{"a":1}'), None, events)
        reader.end_item(item("fc_2", "g"), None, events)
        assert started(events) == [(0, "call_1", "f"), (1, "call_2", "g")]
        assert (arguments(events, 0), arguments(events, 1)) == ('{"a":1}', "{}")

    def test_no_ids(self) -> None:
        """Without any id and index, fragments belong to the latest call that is open."""
        reader, events = calls(), list[Event]()
        for name in "fg":
            reader.begin(OutputItem("function_call", name=name), None, events)
            reader.add(None, None, f'{{"{name}":1}}', events)
            reader.end_item(OutputItem("function_call", name=name), None, events)
        assert (arguments(events, 0), arguments(events, 1)) == ('{"f":1}', '{"g":1}')

    def test_all_at_index_0(self) -> None:
        """A server that numbers all calls 0 has as many calls as ids."""
        reader, events = calls(), list[Event]()
        for number in (1, 2):
            reader.begin(item(f"fc_{number}"), 0, events)
            reader.add(f"fc_{number}", 0, f'{{"a":{number}}}', events)
            reader.end_item(item(f"fc_{number}"), 0, events)
        assert (arguments(events, 0), arguments(events, 1)) == ('{"a":1}', '{"a":2}')

    def test_id_of_the_call(self) -> None:
        """Fragments may have the call's id in place of the item's."""
        reader, events = calls(), list[Event]()
        reader.begin(item("fc_1"), None, events)
        reader.begin(item("fc_2"), None, events)
        reader.add("call_1", None, '{"a":1}', events)
        assert arguments(events, 0) == '{"a":1}'

    @pytest.mark.parametrize("index", [None, 0])
    def test_one_id_for_all(self, index: int | None) -> None:
        """A server that uses the same ids for all calls has as many calls as items, one after the other."""
        reader, events = calls(), list[Event]()
        for number in (1, 2):
            reader.begin(item("fc_1"), index, events)
            reader.add("fc_1", index, f'{{"a":{number}}}', events)
            reader.end_item(item("fc_1"), index, events)
        assert (arguments(events, 0), arguments(events, 1)) == ('{"a":1}', '{"a":2}')

    def test_repeated(self) -> None:
        """An item that is done twice is one call."""
        reader, events = calls(), list[Event]()
        for _ in range(2):
            reader.end_item(item(arguments='{"a":1}'), 0, events)
        assert len(started(events)) == 1

    def test_one_call_id_for_two(self) -> None:
        """Items of their own are calls of their own, even if their calls have one id."""
        reader, events = calls(), list[Event]()
        for number in (1, 2):
            reader.begin(OutputItem("function_call", f"fc_{number}", "call_1", "f"), None, events)
        for number in (1, 2):
            reader.add(f"fc_{number}", None, f'{{"a":{number}}}', events)
        assert (arguments(events, 0), arguments(events, 1)) == ('{"a":1}', '{"a":2}')

    def test_another_id_at_the_end(self) -> None:
        """An item whose id changes while it streams is still one call."""
        reader, events = calls(), list[Event]()
        reader.begin(item("fc_1"), 0, events)
        reader.add("fc_1", 0, '{"a":', events)
        reader.end_item(OutputItem("function_call", "fc_other", None, "f", '{"a":1}'), 0, events)
        assert len(started(events)) == 1

    def test_name_late(self) -> None:
        """Arguments that come before the name wait for it, and are counted as held."""
        reader, events = calls(), list[Event]()
        reader.add("fc_1", 0, '{"a":1}', events)
        assert (events, reader.held) == ([], 7)
        reader.end_item(item(), 0, events)
        assert (started(events), arguments(events), reader.held) == ([(0, "call_1", "f")], '{"a":1}', 0)

    def test_no_name(self) -> None:
        """A call that never gets a name cannot be run."""
        reader, events = calls(), list[Event]()
        reader.add("fc_1", 0, '{"a":1}', events)
        reader.end(events)
        assert events == []

    def test_repaired(self) -> None:
        """Raw control characters are escaped, and what surrounds the object is dropped."""
        reader, events = calls(), list[Event]()
        reader.begin(item(), 0, events)
        reader.add("fc_1", 0, '```json\n{"a":"x\ny"}\n```', events)
        reader.end_item(item(), 0, events)
        assert arguments(events) == '{"a":"x\\ny"}'

    def test_too_many(self) -> None:
        """More calls than any model makes are an error."""
        reader = calls()
        for number in range(MAX_CALLS):
            reader.begin(item(f"fc_{number}"), None, [])
        with pytest.raises(UpstreamProtocolError, match="more than 1000 tool calls"):
            reader.begin(item("fc_more"), None, [])
