"""Finds the calls that a model wrote into its text, while it streams.

Everything but the beginning of an opening marker, and line breaks that may be a template's, passes at once. From a
marker on text is held until the call is complete, or until it turns out to be none and goes out unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.answer.work import Work
from claude_bridge.core.chat_completions.openai_types import FunctionDelta, ToolCallDelta
from claude_bridge.core.chat_completions.tool_parsers import bare_json, llama
from claude_bridge.core.chat_completions.tool_parsers.cursor import (
    MAX_GAP_CHARACTERS,
    Cursor,
    NotACall,
    ParsedCall,
    Steps,
)
from claude_bridge.core.chat_completions.tool_parsers.markdown import MarkdownState
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools
from claude_bridge.core.chat_completions.tool_parsers.syntaxes import SYNTAXES, Syntax
from claude_bridge.core.events import Event, TextDelta

MAX_HELD_CHARACTERS: Final = 1024 * 1024
"""Characters of one call that are held: an answer of 128,000 tokens has about half as many."""

PIECE: Final = 4096
"""Characters looked at at once, so that an answer that comes whole is not copied for each call in it."""

MAX_ATTEMPTS: Final = 1000
"""Markers of an answer that may turn out to open no call: one that explains this very thing has a few dozens."""

_SIGN, _TRY = 1, 60
"""Work for a sign that may matter outside a call, and for a marker."""

_BLANK: Final = " \t\r\n"
_MAX_MARKER_CHARACTERS: Final = max(map(len, SYNTAXES))
_BEGINNINGS: Final = frozenset(marker[:size] for marker in SYNTAXES for size in range(1, len(marker)))
_markers: Final = re.compile("|".join(sorted(map(re.escape, SYNTAXES), key=len, reverse=True)))
_FIRST: Final = "".join(sorted({re.escape(marker[0]) for marker in SYNTAXES}))
_first_characters: Final = re.compile(f"[{_FIRST}]")
_WHOLE: Final[Mapping[str, Syntax]] = {llama.PYTHON_LIST: llama.pythonic, bare_json.OPENING: bare_json.bare}
"""By their first character, what must be the whole answer."""
_signs: Final = re.compile(f"[{_FIRST}`\n]").findall
_eventful: Final = re.compile(f"[{_FIRST}`\n]").search

Receiver = Callable[[ToolCallDelta, list[Event]], None]
"""Takes a whole call as if the backend had sent it, as `ToolCalls.add` does."""


@define
class ToolCallScanner:
    """Text in; text out, and recovered calls to the receiver.

    A call is recovered if it is complete, outside code, has the name of an offered tool and an object as arguments.
    The receiver gets no id and no index, so that each call is given an id of its own. Who writes more of what might be
    calls than there is work for, or than any model would, is looked at no more: all further text passes as it is.

    :ivar names: the offered tools, as the backend knows them.
    :ivar schemas: their JSON schemas, where values that are written without quotes shall have their types.
    """

    names: Collection[str]
    _call: Receiver
    schemas: Mapping[str, strict_json.Raw] = field(factory=dict)
    _work: Work = field(factory=Work)
    _tools: Tools = field(init=False)
    _prose: MarkdownState = field(factory=MarkdownState, init=False)
    _off: bool = field(default=False, init=False)
    _fresh: bool = field(default=True, init=False)
    _skip: int = field(default=0, init=False)
    _held: str = field(default="", init=False)
    _read: int = field(default=0, init=False)
    _before: str = field(default="", init=False)
    _cursor: Cursor | None = field(default=None, init=False)
    _steps: Steps[None] | None = field(default=None, init=False)
    _recovered: bool = field(default=False, init=False)
    _tried: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Look for nothing where no tools were offered."""
        self._tools = Tools(frozenset(self.names), self.schemas)
        self._off = not self.names

    @property
    def idle(self) -> bool:
        """Return whether text need not pass here any more."""
        return self._off and not self._held and self._cursor is None

    def structured_seen(self) -> None:
        """Note that the backend does recognise calls: whatever else looks like one is text."""
        self._off = True

    def feed(self, text: str, events: list[Event]) -> None:
        """Take more text and add the events it gives."""
        if self._prose.settled and not self._held and self._cursor is None and not _eventful(text):
            self._give(text, events)  # most deltas: inside a line, with nothing that could begin anything
            return
        if self._off:
            self._flush(events)
            self._give(text, events)
            return
        for start in range(0, len(text), PIECE):
            piece = text[start : start + PIECE]
            if self._cursor is None:
                self._work.left -= _SIGN * len(_signs(piece))
            if self._work.left < 0 or self._tried > MAX_ATTEMPTS:
                self._off = True
                self._flush(events)
                self._give(text[start:], events)
                return
            self._feed(piece, events)

    def interrupt(self, events: list[Event]) -> None:
        """Something other than text follows: what was held is what it looked like, text."""
        self._flush(events)
        self._prose = MarkdownState()
        self._skip = 0

    def end(self, events: list[Event]) -> None:
        """No more text: a call that lacks nothing but its closing marker is one."""
        while self._cursor is not None and not self._off:
            self._cursor.ended = True
            self._feed(self._run(self._cursor, events) or "", events)
        self._flush(events)

    def _feed(self, text: str, events: list[Event]) -> None:
        while text:
            text = self._pass(text, events) if self._cursor is None else self._hold(self._cursor, text, events)

    # --- outside a call ---

    def _pass(self, text: str, events: list[Event]) -> str:
        """Return out text up to a marker, and return what is behind it."""
        if self._skip:
            text = self._skipped(text)
        text, read, self._held = self._held + text, self._read, ""
        end, marker, syntax = self._search(text, read)
        before = text[:end]
        blank = "" if self._prose.fenced else _line_breaks(before)
        self._give(before[: len(before) - len(blank)], events)
        if syntax is None:
            self._held, self._read = blank + text[end:], len(blank)
            return ""
        self._before, self._read = blank, 0
        self._tried += 1
        self._work.left -= _TRY
        self._cursor = Cursor(marker)
        self._steps = syntax(self._cursor, self._tools)
        self._recovered = False
        return text[end + len(marker) :]

    def _skipped(self, text: str) -> str:
        """Drop white space behind a call."""
        rest = text[: self._skip].lstrip(_BLANK) + text[self._skip :]
        self._skip = 0 if rest else self._skip - len(text)
        return rest

    def _search(self, text: str, read: int) -> tuple[int, str, Syntax | None]:
        """Find the first marker outside code, or else the place from which text must wait for more of it."""
        if self._fresh:
            start = len(text) - len(text.lstrip(_BLANK))
            whole = _WHOLE.get(text[start : start + 1])
            if whole is not None and not self._marker_at(text, start):
                self._prose.read(text[read:start])
                return start, text[start], whole
        for match in _markers.finditer(text):
            self._prose.read(text[read : match.start()])
            read = match.start()
            if not self._prose.code_before(text[read]):
                return read, match[0], SYNTAXES[match[0]]
            self._prose.read(match[0])
            read = match.end()
        for match in _first_characters.finditer(text, max(read, len(text) - _MAX_MARKER_CHARACTERS + 1)):
            if text[match.start() :] in _BEGINNINGS:
                self._prose.read(text[read : match.start()])
                read = match.start()
                if not self._prose.code_before(text[read]):
                    return read, "", None
                break
        self._prose.read(text[read:])
        return len(text), "", None

    @staticmethod
    def _marker_at(text: str, start: int) -> bool:
        return text[start:] in _BEGINNINGS or _markers.match(text, start) is not None

    # --- inside what may be a call ---

    def _hold(self, cursor: Cursor, text: str, events: list[Event]) -> str:
        """Let the syntax read on, and return what is behind the call, or behind what was none."""
        room = MAX_HELD_CHARACTERS - cursor.held
        cursor.feed(text[:room])
        rest = self._run(cursor, events)
        if rest is None:
            if cursor.held >= MAX_HELD_CHARACTERS:
                self._flush(events)
            return text[room:]
        return rest + text[room:]

    def _run(self, cursor: Cursor, events: list[Event]) -> str | None:
        """Run the syntax until it needs more text, which gives None, or is done, which gives what it left over."""
        before = cursor.work
        try:
            for calls in self._steps or ():
                if calls is None:
                    return None
                self._settle(cursor, calls, events)
        except NotACall:
            self._recovered = False
        finally:
            self._work.left -= cursor.work - before
        if self._recovered:
            self._skip = MAX_GAP_CHARACTERS
            cursor.drop()
        else:
            self._give_back(cursor.give_back(), events)
        return self._close(cursor)

    def _settle(self, cursor: Cursor, calls: tuple[ParsedCall, ...], events: list[Event]) -> None:
        """Recover calls if each of them is one, else give back what they were read from."""
        deltas = [delta for delta in map(self._delta, calls) if delta is not None]
        self._recovered = bool(deltas) and len(deltas) == len(calls)
        if not self._recovered:
            self._give_back(cursor.give_back(), events)
            return
        cursor.drop()
        self._tried = 0
        self._before, self._fresh = "", False
        self._prose = MarkdownState()
        for delta in deltas:
            self._call(delta, events)

    def _delta(self, call: ParsedCall) -> ToolCallDelta | None:
        if call.name not in self._tools.names or not isinstance(call.arguments, dict):
            return None
        try:
            arguments = strict_json.encode(call.arguments).decode()
        except (ValueError, RecursionError):
            return None  # half a character, or nesting that only its reader could follow
        return ToolCallDelta(None, "", FunctionDelta(call.name, arguments))

    def _close(self, cursor: Cursor) -> str:
        """Leave a call and return what was not consumed of it."""
        self._cursor = self._steps = None
        return cursor.rest

    def _give_back(self, text: str, events: list[Event]) -> None:
        """Give out text that was held in vain."""
        self._prose.read(text)
        self._give(self._before + text, events)
        self._before = ""

    def _flush(self, events: list[Event]) -> None:
        cursor = self._cursor
        if cursor is not None:
            self._give_back(cursor.give_back() + self._close(cursor), events)
        self._give(self._held, events)
        self._held, self._read = "", 0

    def _give(self, text: str, events: list[Event]) -> None:
        if text:
            events.append(TextDelta(text))
            self._fresh = self._fresh and text.isspace()


def _line_breaks(text: str) -> str:
    """Return the white space at the end of a text, as much as a template may write, from its first line break on."""
    start = text.find("\n", max(len(text.rstrip(_BLANK)), len(text) - MAX_GAP_CHARACTERS))
    return text[start:] if start >= 0 else ""
