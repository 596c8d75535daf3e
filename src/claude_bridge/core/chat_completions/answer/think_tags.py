r"""The think-tag splitter: it separates reasoning that a server left in the text as ``<think> ... </think>`` or alike.

Only at the very start of an answer, where templates put it; a tag anywhere else is prose
(docs/chat-completions.md 2.5). A tag may be cut anywhere, so a beginning that could still become one is held.
White space behind either tag is the template's and goes::

    START --opening tag--> OPENED --text--> REASONING --closing tag--> CLOSED --text--> TEXT

    START --anything else--> TEXT, or OPENED where the template itself has opened the tag
    any --the end of the text, or a tool call where the template itself has opened the tag--> TEXT

In START and REASONING the end of what has come is held while it could still become a tag.
"""

from __future__ import annotations

import re
from enum import Enum
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

MAX_BLANK_CHARACTERS: Final = 1000
"""Characters of white space after which no tag is expected any more: no template writes so much."""

_any_closing: Final = re.compile("|".join(map(re.escape, TAGS.values()))).search


class _Stage(Enum):
    START = "nothing but white space so far"
    OPENED = "white space after the opening tag"
    REASONING = "inside"
    CLOSED = "white space after the closing tag"
    TEXT = "no reasoning any more"


@define
class ThinkSplitter:
    """Splits text into reasoning and text.

    :ivar opened: whether the template has already opened the tag, so that the answer begins inside reasoning, which
        ends with the first closing tag of any kind or with a tool call. Text counts as reasoning before it is known
        whether a closing tag follows, so this is only for templates that certainly open it.
    """

    opened: bool = False
    _stage: _Stage = field(default=_Stage.START, init=False)
    _closing: str = field(default="", init=False)
    _held: str = field(default="", init=False)

    @property
    def idle(self) -> bool:
        """Whether all further text is text, so that it need not be split any more."""
        return self._stage is _Stage.TEXT

    def add(self, text: str, events: list[Event]) -> None:
        """Add the events that result from more text."""
        text, self._held = self._held + text, ""
        if self._stage is _Stage.START:
            text = self._start(text)
        if self._stage is _Stage.OPENED:
            text = text.lstrip()
            if text:
                self._stage = _Stage.REASONING
        if self._stage is _Stage.REASONING:
            text = self._reasoning(text, events)
        if self._stage is _Stage.CLOSED:
            text = text.lstrip()
            if text:
                self._stage = _Stage.TEXT
        if text and self._stage is _Stage.TEXT:
            events.append(TextDelta(text))

    def interrupt(self, events: list[Event]) -> None:
        """Pass on the text that is held, which is no tag, as something other than text follows."""
        held, self._held = self._held, ""
        if self.opened and self._stage is not _Stage.TEXT:
            held = held.lstrip() if self._stage is _Stage.START else held
            self._stage = _Stage.TEXT
            if held:
                events.append(ReasoningDelta(held))
        elif held and self._stage is _Stage.REASONING:
            events.append(ReasoningDelta(held))
        elif held:
            self._stage = _Stage.TEXT
            events.append(TextDelta(held))

    def end(self, events: list[Event]) -> None:
        """Pass on the text that is held, at the end of the answer."""
        self.interrupt(events)
        self._stage = _Stage.TEXT

    def _start(self, text: str) -> str:
        """Look for an opening tag; return what follows it, or the whole text if there is none."""
        start = text.lstrip()
        for opening, closing in TAGS.items():
            if start.startswith(opening):
                self._stage, self._closing = _Stage.OPENED, closing
                return start[len(opening) :]
        undecided = len(text) <= MAX_BLANK_CHARACTERS and any(opening.startswith(start) for opening in TAGS)
        if undecided:
            self._held = text
            return ""
        self._stage = _Stage.OPENED if self.opened else _Stage.TEXT
        return text

    def _reasoning(self, text: str, events: list[Event]) -> str:
        """Add the reasoning up to the closing tag, and return what follows the tag."""
        reasoning, tag, rest = text.partition(self._closing) if self._closing else _partition(text)
        if tag:
            self._stage = _Stage.CLOSED
        else:
            overlap = _overlap(reasoning, self._closing) if self._closing else _overlap_with_any(reasoning)
            self._held = reasoning[len(reasoning) - overlap :]
            reasoning = reasoning[: len(reasoning) - overlap]
        if reasoning:
            events.append(ReasoningDelta(reasoning))
        return rest


def _overlap(text: str, tag: str) -> int:
    """Return the number of characters at the end of ``text`` that may be the beginning of ``tag``."""
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:size]):
            return size
    return 0


def _partition(text: str) -> tuple[str, str, str]:
    """Return a text partitioned at its first closing tag of any kind."""
    found = _any_closing(text)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")


def _overlap_with_any(text: str) -> int:
    return max(_overlap(text, closing) for closing in TAGS.values())
