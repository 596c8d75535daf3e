"""The tool-call scanner: finds the calls that a model wrote into its text, while the text streams.

Text passes at once, except for the beginning of an opening marker and line breaks that a template may have written.
From a marker on, text is held until the call is complete, or until it turns out not to be one and passes unchanged::

                        a marker outside code
      OUTSIDE A CALL ----------------------------> INSIDE (`_cursor` and `_parser` are set)
          ^  ^                                        |   |
          |  |   the parser is done: calls go to the  |   |
          |  +--- receiver, blanks after them go -----+   |
          |                                               |
          +------ NotACall, no offered tool, too long, ---+
                  or `interrupt`: the held text passes

      DISABLED (`_disabled`): all further text passes; from any state when structured calls are seen, no tools are
      offered, or the budgets are used up
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.openai_types import FunctionDelta, ToolCallDelta
from claude_bridge.core.chat_completions.tool_parsers import bare_json, llama
from claude_bridge.core.chat_completions.tool_parsers.cursor import (
    MAX_GAP_CHARACTERS,
    Cursor,
    NotACall,
    ParsedCall,
    Parser,
)
from claude_bridge.core.chat_completions.tool_parsers.markdown import MarkdownState
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools
from claude_bridge.core.chat_completions.tool_parsers.syntaxes import SYNTAXES, Syntax
from claude_bridge.core.events import Event, TextDelta
from claude_bridge.core.work import Work

MAX_HELD_CHARACTERS: Final = 1024 * 1024
"""Characters of one call that are held: an answer of 128,000 tokens has about half as many."""

MAX_PIECE_CHARACTERS: Final = 4096
"""Characters scanned at once, so that an answer that comes in one piece is not copied for each call in it."""

MAX_ATTEMPTS: Final = 1000
"""Markers of an answer that may turn out not to open a call: an answer about this very syntax has a few dozen."""

_SIGN_WORK, _MARKER_WORK = 1, 60
"""Work units for a character that may matter outside a call, and for a marker."""

_BLANK: Final = " \t\r\n"
_MAX_MARKER_CHARACTERS: Final = max(map(len, SYNTAXES))
_BEGINNINGS: Final = frozenset(marker[:size] for marker in SYNTAXES for size in range(1, len(marker)))
_markers: Final = re.compile("|".join(sorted(map(re.escape, SYNTAXES), key=len, reverse=True)))
_FIRST: Final = "".join(sorted({re.escape(marker[0]) for marker in SYNTAXES}))
_first_characters: Final = re.compile(f"[{_FIRST}]")
_WHOLE_ANSWER_SYNTAXES: Final[Mapping[str, Syntax]] = {
    llama.PYTHON_LIST: llama.pythonic,
    bare_json.OPENING: bare_json.bare_json,
}
"""Syntaxes in which the calls must be the whole answer, by their first character."""
_signs: Final = re.compile(f"[{_FIRST}`\n]").findall
_eventful: Final = re.compile(f"[{_FIRST}`\n]").search

Receiver = Callable[[ToolCallDelta, list[Event]], None]
"""Called with a whole call as if the backend had sent it; `ToolCalls.add` is one."""


@define
class ToolCallScanner:
    """Scans text: passes it on as events, and recovered calls to the receiver.

    A call is recovered if it is complete, outside code, and has the name of an offered tool and an object as arguments.
    The receiver gets no id and no index, so that each call is assigned an id of its own. Scanning ends when an answer
    has more possible calls than the work budget or any model would allow: all further text then passes unchanged.

    :ivar names: the names of the offered tools, as the backend knows them.
    :ivar schemas: their JSON schemas, for the types of values that are written without quotes.
    """

    names: Collection[str]
    _receive: Receiver
    schemas: Mapping[str, strict_json.Raw] = field(factory=dict)
    _work: Work = field(factory=Work)
    _tools: Tools = field(init=False)
    _prose: MarkdownState = field(factory=MarkdownState, init=False)
    _disabled: bool = field(default=False, init=False)
    _at_start: bool = field(default=True, init=False)
    _blanks_to_skip: int = field(default=0, init=False)
    _held: str = field(default="", init=False)
    _scanned: int = field(default=0, init=False)
    _blank_before: str = field(default="", init=False)
    _cursor: Cursor | None = field(default=None, init=False)
    _parser: Parser[None] | None = field(default=None, init=False)
    _recovered: bool = field(default=False, init=False)
    _markers_tried: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Disable the scanner if no tools were offered."""
        self._tools = Tools(frozenset(self.names), self.schemas)
        self._disabled = not self.names

    @property
    def idle(self) -> bool:
        """Whether text need not be scanned any more."""
        return self._disabled and not self._held and self._cursor is None

    def disable(self) -> None:
        """Stop scanning, as the backend does recognise calls: whatever else looks like one is text."""
        self._disabled = True

    def add(self, text: str, events: list[Event]) -> None:
        """Scan more text and add the resulting events."""
        if self._prose.is_mid_line and not self._held and self._cursor is None and not _eventful(text):
            self._append_text(text, events)  # most deltas: inside a line, without a character that could begin a marker
            return
        if self._disabled:
            self._flush(events)
            self._append_text(text, events)
            return
        for start in range(0, len(text), MAX_PIECE_CHARACTERS):
            piece = text[start : start + MAX_PIECE_CHARACTERS]
            if self._cursor is None:
                self._work.left -= _SIGN_WORK * len(_signs(piece))
            if self._work.left < 0 or self._markers_tried > MAX_ATTEMPTS:
                self._disabled = True
                self._flush(events)
                self._append_text(text[start:], events)
                return
            self._add_piece(piece, events)

    def interrupt(self, events: list[Event]) -> None:
        """Pass on the text that is held, as something other than text follows."""
        self._flush(events)
        self._prose = MarkdownState()
        self._blanks_to_skip = 0

    def end(self, events: list[Event]) -> None:
        """End the text: a call that lacks only its closing marker is recovered, everything else that is held passes."""
        while self._cursor is not None and not self._disabled:
            self._cursor.ended = True
            self._add_piece(self._run(self._cursor, events) or "", events)
        self._flush(events)

    def _add_piece(self, text: str, events: list[Event]) -> None:
        while text:
            text = self._pass(text, events) if self._cursor is None else self._hold(self._cursor, text, events)

    # --- outside a call ---

    def _pass(self, text: str, events: list[Event]) -> str:
        """Pass on text up to a marker, and return what follows the marker."""
        if self._blanks_to_skip:
            text = self._skipped(text)
        text, read, self._held = self._held + text, self._scanned, ""
        end, marker, syntax = self._search(text, read)
        before = text[:end]
        blank = "" if self._prose.fenced else _line_breaks(before)
        self._append_text(before[: len(before) - len(blank)], events)
        if syntax is None:
            self._held, self._scanned = blank + text[end:], len(blank)
            return ""
        self._blank_before, self._scanned = blank, 0
        self._markers_tried += 1
        self._work.left -= _MARKER_WORK
        self._cursor = Cursor(marker)
        self._parser = syntax(self._cursor, self._tools)
        self._recovered = False
        return text[end + len(marker) :]

    def _skipped(self, text: str) -> str:
        """Return the text without white space that follows a call."""
        rest = text[: self._blanks_to_skip].lstrip(_BLANK) + text[self._blanks_to_skip :]
        self._blanks_to_skip = 0 if rest else self._blanks_to_skip - len(text)
        return rest

    def _search(self, text: str, read: int) -> tuple[int, str, Syntax | None]:
        """Return the first marker outside code, or else the position from which text must wait for more."""
        if self._at_start:
            start = len(text) - len(text.lstrip(_BLANK))
            whole = _WHOLE_ANSWER_SYNTAXES.get(text[start : start + 1])
            if whole is not None and not self._marker_at(text, start):
                self._prose.advance(text[read:start])
                return start, text[start], whole
        for match in _markers.finditer(text):
            self._prose.advance(text[read : match.start()])
            read = match.start()
            if not self._prose.code_before(text[read]):
                return read, match[0], SYNTAXES[match[0]]
            self._prose.advance(match[0])
            read = match.end()
        for match in _first_characters.finditer(text, max(read, len(text) - _MAX_MARKER_CHARACTERS + 1)):
            if text[match.start() :] in _BEGINNINGS:
                self._prose.advance(text[read : match.start()])
                read = match.start()
                if not self._prose.code_before(text[read]):
                    return read, "", None
                break
        self._prose.advance(text[read:])
        return len(text), "", None

    @staticmethod
    def _marker_at(text: str, start: int) -> bool:
        return text[start:] in _BEGINNINGS or _markers.match(text, start) is not None

    # --- inside what may be a call ---

    def _hold(self, cursor: Cursor, text: str, events: list[Event]) -> str:
        """Pass text to the parser, and return what remains after a call or after text that was not one."""
        room = MAX_HELD_CHARACTERS - cursor.held
        cursor.append(text[:room])
        rest = self._run(cursor, events)
        if rest is None:
            if cursor.held >= MAX_HELD_CHARACTERS:
                self._flush(events)
            return text[room:]
        return rest + text[room:]

    def _run(self, cursor: Cursor, events: list[Event]) -> str | None:
        """Run the parser; return None if it needs more text, or the text that it left over if it is done."""
        before = cursor.work
        try:
            for calls in self._parser or ():
                if calls is None:
                    return None
                self._recover(cursor, calls, events)
        except NotACall:
            self._recovered = False
        finally:
            self._work.left -= cursor.work - before
        if self._recovered:
            self._blanks_to_skip = MAX_GAP_CHARACTERS
            cursor.discard_consumed()
        else:
            self._release(cursor.release(), events)
        return self._close(cursor)

    def _recover(self, cursor: Cursor, calls: tuple[ParsedCall, ...], events: list[Event]) -> None:
        """Recover calls if all of them are valid, else pass on the text that they were parsed from."""
        deltas = [delta for delta in map(self._delta, calls) if delta is not None]
        self._recovered = bool(deltas) and len(deltas) == len(calls)
        if not self._recovered:
            self._release(cursor.release(), events)
            return
        cursor.discard_consumed()
        self._markers_tried = 0
        self._blank_before, self._at_start = "", False
        self._prose = MarkdownState()
        for delta in deltas:
            self._receive(delta, events)

    def _delta(self, call: ParsedCall) -> ToolCallDelta | None:
        if call.name not in self._tools.names or not isinstance(call.arguments, dict):
            return None
        try:
            arguments = strict_json.encode(call.arguments).decode()
        except (ValueError, RecursionError):
            return None  # a lone surrogate, or nesting that can be decoded but not encoded
        return ToolCallDelta(None, "", FunctionDelta(call.name, arguments))

    def _close(self, cursor: Cursor) -> str:
        """Leave the call and return the text that it did not consume."""
        self._cursor = self._parser = None
        return cursor.rest

    def _release(self, text: str, events: list[Event]) -> None:
        """Pass on held text that turned out not to be a call."""
        self._prose.advance(text)
        self._append_text(self._blank_before + text, events)
        self._blank_before = ""

    def _flush(self, events: list[Event]) -> None:
        cursor = self._cursor
        if cursor is not None:
            self._release(cursor.release() + self._close(cursor), events)
        self._append_text(self._held, events)
        self._held, self._scanned = "", 0

    def _append_text(self, text: str, events: list[Event]) -> None:
        if text:
            events.append(TextDelta(text))
            self._at_start = self._at_start and text.isspace()


def _line_breaks(text: str) -> str:
    """Return the white space at the end of a text from a line break on, up to the length that a template may write."""
    start = text.find("\n", max(len(text.rstrip(_BLANK)), len(text) - MAX_GAP_CHARACTERS))
    return text[start:] if start >= 0 else ""
