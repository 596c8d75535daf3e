"""An answer's text on its way: reasoning that a server left in it, then tool calls that the model wrote into it.

Both are rare, so the common text passes neither: the look for reasoning ends with the first words of an answer, and
calls are looked for only where that is asked for.
"""

from __future__ import annotations

from attrs import define

from claude_bridge.core.chat_completions.answer.think_tags import ThinkSplitter
from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner
from claude_bridge.core.events import Event, TextDelta


@define
class AnswerText:
    """Text in; text, reasoning and calls out.

    :ivar plain: all that comes is text and nothing else: it need not pass here any more.
    """

    _splitter: ThinkSplitter | None
    _scanner: ToolCallScanner | None = None

    @property
    def plain(self) -> bool:
        """Return whether nothing is looked for any more."""
        return self._splitter is None and self._scanner is None

    def feed(self, text: str, events: list[Event]) -> None:
        """Take more text."""
        if self._splitter is None:
            self._text(text, events)
            return
        parts: list[Event] = []
        self._splitter.feed(text, parts)
        self._pass(parts, events)
        if self._splitter.idle:
            self._splitter = None

    def interrupt(self, events: list[Event]) -> None:
        """Take note that a structured call follows: what was held is what it looked like, and all later text is."""
        if self._splitter is not None:
            parts: list[Event] = []
            self._splitter.interrupt(parts)
            self._pass(parts, events)
        if self._scanner is not None:
            self._scanner.interrupt(events)
            self._scanner.structured_seen()

    def beside_calls(self) -> None:
        """Take note that the text that follows came together with structured calls: it holds none."""
        if self._scanner is not None:
            self._scanner.structured_seen()

    def end(self, events: list[Event]) -> None:
        """Take note that no more text comes."""
        if self._splitter is not None:
            parts: list[Event] = []
            self._splitter.end(parts)
            self._pass(parts, events)
            self._splitter = None
        if self._scanner is not None:
            self._scanner.end(events)

    def _pass(self, parts: list[Event], events: list[Event]) -> None:
        for part in parts:
            if type(part) is TextDelta:
                self._text(part.text, events)
            else:
                events.append(part)

    def _text(self, text: str, events: list[Event]) -> None:
        if self._scanner is None:
            events.append(TextDelta(text))
        else:
            self._scanner.feed(text, events)
