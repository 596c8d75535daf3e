"""Tests for `claude_bridge.core.responses_api.answer.output`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ReasoningDelta, ReasoningState, TextDelta, ToolCallStarted
from claude_bridge.core.responses_api import codec
from claude_bridge.core.responses_api.answer.function_calls import FunctionCalls
from claude_bridge.core.responses_api.answer.output import OutputReader
from claude_bridge.core.responses_api.reasoning_state import restored
from claude_bridge.core.strict_json import Raw, encode
from claude_bridge.testing.chat import ToolCall
from claude_bridge.testing.responses import ResponseEvents

CALL = ToolCall(id="a", name="f", arguments='{"x":1}')


def reader(max_held: int = 1 << 20) -> OutputReader:
    """Make a reader."""
    calls = FunctionCalls({}, lambda count: b"\0" * count)
    return OutputReader(dialect="openai", model="m", calls=calls, max_held=max_held)


def read(events: list[dict[str, Any]], without: tuple[str, ...] = ()) -> list[Event]:
    """Read events, without those whose types end with one of these words."""
    output, found = reader(), list[Event]()
    for event in events:
        if not event["type"].endswith(without):
            output.add(codec.decode_event(encode(event)), found)
    output.end(found)
    return found


def text(events: list[Event], kind: type = TextDelta) -> str:
    """Return text or reasoning, put together."""
    return "".join(each.text for each in events if isinstance(each, TextDelta | ReasoningDelta) and type(each) is kind)


def answer() -> ResponseEvents:
    """Make an answer with everything in it."""
    made = ResponseEvents()
    made.reason(["I ", "look."], ["Well", "."], encrypted="gAAAA", item_id="rs_1")
    made.say("Let me", " see.")
    made.call(CALL)
    return made


class RepetitionTests:
    """The same content comes several times, and any of them may be missing."""

    @pytest.mark.parametrize(
        "without",
        [
            (),
            (".delta",),
            (".added",),
            ("text.done", "part.done", "arguments.done", "refusal.done"),
            (".delta", "text.done", "arguments.done", ".added"),
        ],
    )
    def test_said_once(self, without: tuple[str, ...]) -> None:
        """Whatever is left out, all that is there is read, and read once."""
        found = read(answer().events, without)
        assert text(found, ReasoningDelta) == "I look.\n\nWell."
        assert text(found) == "Let me see."
        assert [each.name for each in found if isinstance(each, ToolCallStarted)] == ["f"]

    def test_late_ends(self) -> None:
        """llama.cpp ends all parts and items together, after the last has begun: nothing is said twice."""
        made = answer()
        late = [each for each in made.events if each["type"].endswith(".done")]
        early = [each for each in made.events if not each["type"].endswith(".done")]
        for left_out in ((), ("output_index",), ("item_id",)):
            events = [{key: value for key, value in each.items() if key not in left_out} for each in early + late]
            found = read(events)
            assert text(found, ReasoningDelta) == "I look.\n\nWell."
            assert text(found) == "Let me see."
            assert sum(isinstance(each, ToolCallStarted) for each in found) == 1

    def test_changing_ids(self) -> None:
        """A gateway that gives each event another id is read by the indices."""
        events = answer().events
        for number, event in enumerate(events):
            if "item_id" in event:
                event["item_id"] = f"id_{number}"
            if "item" in event:
                event["item"] = {**event["item"], "id": f"id_{number}"}
        found = read(events)
        assert text(found) == "Let me see."
        assert [each.name for each in found if isinstance(each, ToolCallStarted)] == ["f"]

    def test_no_ends(self) -> None:
        """Deltas alone say everything but what only the server can read."""
        found = read(answer().events, (".done",))
        assert (text(found, ReasoningDelta), text(found)) == ("I look.\n\nWell.", "Let me see.")
        assert not [each for each in found if isinstance(each, ReasoningState)]

    def test_whole_output(self) -> None:
        """The output of a whole answer says the same as its stream."""
        output, found = reader(), list[Event]()
        output.add_output(Raw(encode(answer().output)), found)
        output.end(found)
        assert (text(found, ReasoningDelta), text(found)) == ("I look.\n\nWell.", "Let me see.")
        assert [type(each) for each in found if not isinstance(each, ReasoningDelta)] == [
            type(each) for each in read(answer().events, (".delta",)) if not isinstance(each, ReasoningDelta)
        ]


class ReasoningTests:
    """Reasoning, readable and encrypted."""

    def test_state(self) -> None:
        """The item comes back as its end said it: what its beginning said may be incomplete."""
        (state,) = (each for each in read(answer().events) if isinstance(each, ReasoningState))
        item = restored(state.carrier, "openai", "m")
        assert item is not None
        assert (item.id, item.encrypted_content) == ("rs_1", "gAAAA")
        assert [part["text"] for part in item.summary] == ["I look.", "Well."]

    def test_in_its_place(self) -> None:
        """It stands behind the reasoning and before the text."""
        kinds = [type(each) for each in read(answer().events)]
        assert kinds.index(ReasoningState) == len(kinds) - 1 - kinds[::-1].index(ReasoningDelta) + 1
        assert kinds.index(ReasoningState) < kinds.index(TextDelta)

    def test_open_reasoning(self) -> None:
        """Models whose reasoning is open give it as text, and nothing is carried (llama.cpp, vLLM)."""
        events: list[dict[str, Any]] = [
            {"type": "response.output_item.added", "item": {"type": "reasoning", "id": "rs", "summary": []}},
            {"type": "response.reasoning_text.delta", "item_id": "rs", "delta": "hm"},
            {
                "type": "response.output_item.done",
                "item": {
                    "type": "reasoning",
                    "id": "rs",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "hm"}],
                    "encrypted_content": "",
                },
            },
        ]
        assert read(events) == [ReasoningDelta("hm")]
        assert read(events, (".delta",)) == [ReasoningDelta("hm")]

    def test_both_forms(self) -> None:
        """Where text and summary both come, the first of them counts."""
        events = [
            {"type": "response.reasoning_text.delta", "delta": "hm"},
            {"type": "response.reasoning_summary_text.delta", "delta": "thought"},
        ]
        assert read(events) == [ReasoningDelta("hm")]


class TextTests:
    """Text and refusals."""

    def test_two_messages(self) -> None:
        """Two messages in a row are two paragraphs; a call between them divides them anyhow."""
        made = ResponseEvents()
        made.say("One.")
        made.say("Two.")
        made.call(CALL)
        made.say("Three.")
        assert text(read(made.events)) == "One.\n\nTwo.Three."

    @pytest.mark.parametrize("without", [(), (".delta",), (".delta", "refusal.done")])
    def test_refusal(self, without: tuple[str, ...]) -> None:
        """The words of a refusal are text, and it is noted that they refuse."""
        made, output, found = ResponseEvents(), reader(), list[Event]()
        made.refuse("I ", "cannot.")
        for event in made.events:
            if not event["type"].endswith(without) or not without:
                output.add(codec.decode_event(encode(event)), found)
        assert text(found) == "I cannot."
        assert output.refused

    def test_unknown(self) -> None:
        """Events and items of other kinds mean nothing, whatever is in them."""
        events: list[dict[str, Any]] = [
            {"type": "response.output_item.added", "item": {"type": "web_search_call", "id": "ws"}},
            {"type": "response.web_search_call.searching", "item_id": "ws", "delta": "x"},
            {"type": "response.brand_new.delta", "delta": "x"},
            {"type": "response.output_item.done", "item": {"type": "web_search_call", "id": "ws"}},
        ]
        assert read(events) == []


class BoundTests:
    """Bounds on what waits."""

    def test_held(self) -> None:
        """Arguments that wait for a name have a limit."""
        output = reader(max_held=100)
        piece = codec.decode_event(b'{"type":"response.function_call_arguments.delta","delta":"%s"}' % (b"[" * 60))
        output.add_arguments(piece, [])
        with pytest.raises(UpstreamProtocolError, match="more than 100 bytes"):
            output.add_arguments(piece, [])
