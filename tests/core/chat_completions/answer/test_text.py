"""Tests for `claude_bridge.core.chat_completions.answer.text`.

The two that it puts together have tests of their own.
"""

from __future__ import annotations

import json

import pytest

from claude_bridge.core.chat_completions.answer.text import AnswerText
from claude_bridge.core.chat_completions.answer.think_tags import ThinkSplitter
from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner
from claude_bridge.core.events import Event, ReasoningDelta, TextDelta, ToolArgumentsDelta, ToolCallStarted
from tests.core.strategies import in_steps

CALL = "<tool_call>\n" + json.dumps({"name": "Bash", "arguments": {"command": "ls"}}) + "\n</tool_call>"


def events_of(text: str, step: int, *, names: tuple[str, ...] = ("Bash",), opened: bool = False) -> list[str]:
    """Pass a text in pieces, and give in short what came out: reasoning in brackets, calls as name and arguments."""
    calls = ToolCalls({}, bytes)
    passing = AnswerText(ThinkSplitter(opened), ToolCallScanner(names, calls.add) if names else None)
    events: list[Event] = []
    for piece in in_steps(text, step):
        passing.add(piece, events)
    passing.end(events)
    calls.end(events)
    return short(events)


def short(events: list[Event]) -> list[str]:
    """Put successive events of a kind together."""
    said: list[str] = []
    kind: type | None = None
    for event in events:
        match event:
            case TextDelta() | ReasoningDelta():
                text = event.text
            case ToolCallStarted():
                text = event.name
            case ToolArgumentsDelta():
                text = event.json
            case _:
                continue
        said = [*said[:-1], said[-1] + text] if type(event) is kind else [*said, text]
        kind = type(event)
    return said


class AnswerTextTests:
    """Reasoning and calls in one text."""

    @pytest.mark.parametrize("step", [1, 7, 37, 4096])
    def test_reasoning_then_a_call(self, step: int) -> None:
        """Both are found behind one another, wherever the text is cut."""
        text = f"<think>hm</think>\nLook:\n{CALL}"
        assert events_of(text, step) == ["hm", "Look:", "Bash", '{"command":"ls"}']

    @pytest.mark.parametrize("step", [1, 7, 37, 4096])
    def test_call_in_reasoning(self, step: int) -> None:
        """What looks like a call while the model still thinks is a thought."""
        assert events_of(f"maybe {CALL}</think>no", step, opened=True) == [f"maybe {CALL}", "no"]

    def test_calls_unwanted(self) -> None:
        """Where no calls are looked for, text is text."""
        assert events_of(f"<think>hm</think>{CALL}", 7, names=()) == ["hm", CALL]

    def test_structured_call(self) -> None:
        """A backend that gives calls as calls has what looks like one left alone."""
        calls = ToolCalls({}, bytes)
        passing = AnswerText(ThinkSplitter(), ToolCallScanner(("Bash",), calls.add))
        events: list[Event] = []
        passing.add("<tool_", events)
        passing.interrupt(events)
        passing.add(CALL, events)
        passing.end(events)
        assert short(events) == ["<tool_" + CALL]

    def test_note_structured_calls(self) -> None:
        """So has one whose calls come together with the text, before any of it was looked at."""
        calls = ToolCalls({}, bytes)
        passing = AnswerText(ThinkSplitter(), ToolCallScanner(("Bash",), calls.add))
        events: list[Event] = []
        passing.calls_have_own_field()
        passing.add(f"<think>hm</think>{CALL}", events)
        passing.end(events)
        assert short(events) == ["hm", CALL]

    def test_transparent(self) -> None:
        """Once nothing can be found any more, text need not pass here."""
        passing = AnswerText(ThinkSplitter())
        events: list[Event] = []
        passing.add("<thin", events)
        assert not passing.transparent
        passing.add("g", events)
        assert passing.transparent
        assert events == [TextDelta("<thing")]
