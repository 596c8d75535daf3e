"""The filters of an answer's text: reasoning that a server left in it, then tool calls that the model wrote into it.

Both are rare, and most text bypasses them: the search for reasoning ends with the first words of an answer, and calls
are looked for only where that is configured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from claude_bridge.core.chat_completions.answer.think_tags import ThinkSplitter
from claude_bridge.core.events import Event, TextDelta

if TYPE_CHECKING:
    from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner


@define
class AnswerText:
    """Text in; text, reasoning and calls out. Each of the two parts is dropped when it can find nothing more."""

    _splitter: ThinkSplitter | None
    _scanner: ToolCallScanner | None = None

    @property
    def transparent(self) -> bool:
        """Whether all further text is nothing but text, so that it may bypass the filters."""
        return self._splitter is None and self._scanner is None

    def add(self, text: str, events: list[Event]) -> None:
        """Add the events that result from more text."""
        if self._splitter is None:
            self._scan(text, events)
            return
        parts: list[Event] = []
        self._splitter.add(text, parts)
        self._scan_parts(parts, events)
        if self._splitter.idle:
            self._splitter = None

    def interrupt(self, events: list[Event]) -> None:
        """Add what was held, because a call in its own field follows; later text is not searched for calls."""
        if self._splitter is not None:
            parts: list[Event] = []
            self._splitter.interrupt(parts)
            self._scan_parts(parts, events)
        if self._scanner is not None:
            self._scanner.interrupt(events)
            self._scanner.disable()

    def calls_have_own_field(self) -> None:
        """Search the text for calls no more: the backend gives them in their own field."""
        if self._scanner is not None:
            self._scanner.disable()

    def end(self, events: list[Event]) -> None:
        """Add what was held; no more text comes."""
        if self._splitter is not None:
            parts: list[Event] = []
            self._splitter.end(parts)
            self._scan_parts(parts, events)
            self._splitter = None
        if self._scanner is not None:
            self._scanner.end(events)

    def _scan_parts(self, parts: list[Event], events: list[Event]) -> None:
        for part in parts:
            if type(part) is TextDelta:
                self._scan(part.text, events)
            else:
                events.append(part)

    def _scan(self, text: str, events: list[Event]) -> None:
        if self._scanner is None:
            events.append(TextDelta(text))
        else:
            self._scanner.add(text, events)
