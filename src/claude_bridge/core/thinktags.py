"""Reasoning that a server left inside the text: ``<think> ... </think>`` and its cousins.

Only at the very start of an answer, where templates put it; a tag anywhere else is prose
(wire-contract 4.3). A tag may be cut anywhere, so a beginning that could still become one is held.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from claude_bridge.core.events import Event, ReasoningDelta, TextDelta

TAGS: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<seed:think>": "</seed:think>",
}


@define
class ThinkSplitter:
    """Text in; reasoning and text out.

    :ivar idle: True once the text can no longer contain reasoning, so that it need not pass here any more.
    """

    idle: bool = field(default=False, init=False)
    _closing: str = field(default="", init=False)
    _held: str = field(default="", init=False)

    def feed(self, text: str, events: list[Event]) -> None:
        """Take more text and add the events it gives."""
        text, self._held = self._held + text, ""
        if self._closing:
            self._feed_reasoning(text, events)
            return
        start = text.lstrip()
        for opening, closing in TAGS.items():
            if start.startswith(opening):
                self._closing = closing
                self._feed_reasoning(start[len(opening) :], events)
                return
        if not start or any(opening.startswith(start) for opening in TAGS):
            self._held = text
            return
        self.idle = True
        events.append(TextDelta(text))

    def end(self, events: list[Event]) -> None:
        """No more text: what was held is what it looked like, no tag."""
        if self._held:
            events.append(ReasoningDelta(self._held) if self._closing else TextDelta(self._held))
            self._held = ""
        self.idle = True

    def _feed_reasoning(self, text: str, events: list[Event]) -> None:
        reasoning, tag, rest = text.partition(self._closing)
        if not tag:
            keep = _overlap(reasoning, self._closing)
            if keep:
                self._held = reasoning[-keep:]
                reasoning = reasoning[:-keep]
        if reasoning:
            events.append(ReasoningDelta(reasoning))
        if tag:
            self.idle = True
            rest = rest.lstrip()
            if rest:
                events.append(TextDelta(rest))


def _overlap(text: str, tag: str) -> int:
    """Count the characters at the end of ``text`` that could be the beginning of ``tag``."""
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:size]):
            return size
    return 0
