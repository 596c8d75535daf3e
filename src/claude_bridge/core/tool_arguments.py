"""The filter of a tool call's arguments, which repairs them while they stream.

Only repairs that cannot change the meaning are made (docs/chat-completions.md 2.7): raw control characters inside
strings are escaped, and what surrounds the first complete object is dropped. Arguments that do not begin with
``{`` are held to their end, where the few known wrappings are removed. Whatever is still invalid
then passes unchanged: Claude Code shows it to the model as an error.

The states and their fields::

      START --- "{" ---> OBJECT (`_begun`; `_braces`, `_brackets`, `_in_string`, `_escaped`) --- closed ---> `complete`
        | other                 | more is closed than open, or the work budget is used up
        v                       v
      HELD (`_held_text`)     PASSING (`_passing`): text passes unchanged
"""

from __future__ import annotations

import re
import string
from io import StringIO
from typing import Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.sizes import size
from claude_bridge.core.work import Work

# Positive character classes and possessive quantifiers take half the time for a long text.
_IN_STRING: Final = r"[ !#-\[\]-\U0010ffff]*+(?:\\[ -\U0010ffff][ !#-\[\]-\U0010ffff]*+)*+"
_string_run: Final = re.compile(_IN_STRING).match
# The outer `*` is not possessive: CPython 3.11.2, Debian 12's own, lets a possessive group run past a failed branch.
_outside_run: Final = re.compile(rf'(?:[^"{{}}\[\]]++|"{_IN_STRING}")*').match
_whole_strings: Final = re.compile(rf'(?:[^"]++|"{_IN_STRING}")*').match
_strings: Final = re.compile(f'"{_IN_STRING}"').sub
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_raw_run: Final = re.compile(r'[^"\\]*+(?:\\[ -\U0010ffff][^"\\]*+)*+').match
_NOT_CONTROLS: Final = bytes(range(32, 256))
_ESCAPES: Final = [f"\\u{code:04x}" for code in range(32)]
_ESCAPES[8], _ESCAPES[12] = "\\b", "\\f"
_FENCE: Final = "```"
_STRUCTURE: Final = frozenset('"{}[]')

MAX_PIECE_CHARACTERS: Final = 16 * 1024
"""Characters whose brackets are counted in bulk; where that is not possible, as at the object's end, one by one."""

_MIN_BULK_CHARACTERS: Final = 256
"""Characters above which counting in bulk is quicker than one by one."""

_MAX_BULK_LEVELS: Final = 32
"""Levels of nesting that counting in bulk resolves."""

_STEP_WORK: Final = 2
"""Work units for one bracket or string."""

_CHARACTERS, _QUOTES, _BRACKETS = 64, 5, 8
"""How many of these are counted in bulk for one unit of work."""


@define
class ArgumentsFilter:
    """Turns the fragments of one call's arguments into fragments for ``input_json_delta``, in linear time.

    :ivar complete: whether the object is closed; everything later is dropped.
    :ivar held: bytes kept back because the text does not begin with an object.
    """

    _work: Work = field(factory=Work)
    complete: bool = field(default=False, init=False)
    held: int = field(default=0, init=False)
    _held_text: StringIO | None = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)
    _braces: int = field(default=0, init=False)
    _brackets: int = field(default=0, init=False)
    _in_string: bool = field(default=False, init=False)
    _escaped: bool = field(default=False, init=False)
    _passing: bool = field(default=False, init=False)

    def add(self, text: str) -> str:
        """Add a fragment and return the text that can be passed on now, maybe none."""
        if self._in_string and not self._escaped and _string_run(text).end() == len(text):  # type: ignore[union-attr]
            return text  # most of a long text is the inside of a string
        if self.complete:
            return ""
        if self._begun:
            return text if self._passing else self._scan(text)
        return self._begin(text)

    def end(self) -> str:
        """Return the rest: the repaired text of held arguments, or ``{}`` if there were none at all."""
        self.complete = True
        self._in_string = False
        if self._begun:
            return "\\" if self._escaped else ""
        text = self._held_text.getvalue() if self._held_text is not None else ""
        self._held_text = None
        self.held = 0
        return repair(text)

    def _begin(self, text: str) -> str:
        """Decide by the first character whether the text is an object; white space before it is dropped."""
        if self._held_text is None:
            text = text.lstrip()
            if text.startswith("{"):
                self._begun = True
                if text.endswith("}") and strict_json.is_object(text):  # complete, and nothing to repair
                    self.complete = True
                    return text
                return self._scan(text)
            if not text:
                return ""
            self._held_text = StringIO()
        self._held_text.write(text)
        self.held += size(text)
        return ""

    def _scan(self, text: str) -> str:
        out: list[str] = []
        position, size, counted, left = 0, len(text), 0, self._work.left
        while position < size and not self.complete:
            left -= _STEP_WORK
            if left < 0:
                self._give_up(text[position:], out)
                break
            if self._in_string:
                position = self._scan_string(text, position, out)
                continue
            start = position
            if position >= counted and size - position > _MIN_BULK_CHARACTERS and self._braces:
                counted = _whole_strings(text, position, position + MAX_PIECE_CHARACTERS).end()  # type: ignore[union-attr]  # matches the empty string
                if counted - position > _MIN_BULK_CHARACTERS:
                    steps = self._count(text[position:counted])
                    left -= abs(steps)
                    position = counted if steps > 0 else position
            if position == start:
                position = _outside_run(text, position, position + MAX_PIECE_CHARACTERS).end()  # type: ignore[union-attr]  # matches the empty string
            if position < size and text[position] in _STRUCTURE:
                self._structure(text[position])
                position = size if self._passing else position + 1
            out.append(text[start:position])
        self._work.left = max(0, left)
        return "".join(out)

    def _count(self, text: str) -> int:
        """Count the brackets outside of complete strings in bulk, and return the work units that this took.

        The result is negative if the object may end among them, so that they have to be counted one by one. A pair with
        nothing inside cannot close an object that was open before, so such pairs are removed, level by level.
        """
        brackets = _strings("", text).encode("ascii", "ignore").translate(None, _NOT_BRACKETS)
        work = len(text) // _CHARACTERS + text.count('"') // _QUOTES
        for _ in range(_MAX_BULK_LEVELS):
            work += len(brackets) // _BRACKETS
            shorter = brackets.replace(b"{}", b"").replace(b"[]", b"")
            if len(shorter) == len(brackets):
                break
            brackets = shorter
        closed, ended = brackets.count(b"}"), brackets.count(b"]")
        if closed >= self._braces or ended > self._brackets:
            return -work
        self._braces += brackets.count(b"{") - closed
        self._brackets += brackets.count(b"[") - ended
        return work

    def _give_up(self, text: str, out: list[str]) -> None:
        """Pass on this text and all that follows unchanged."""
        if self._escaped:
            out.append("\\")
        self._escaped = self._in_string = False
        self._passing = True
        out.append(text)

    def _scan_string(self, text: str, position: int, out: list[str]) -> int:
        """Copy up to the end of the string or fragment, which may split an escape; control characters are escaped."""
        if self._escaped:
            self._escaped = False
            if text[position] >= " ":
                out.append("\\" + text[position])
                return position + 1
            out.append("\\\\")  # a backslash before a raw control character can only be meant literally
        end = _string_run(text, position).end()  # type: ignore[union-attr]  # matches the empty string
        out.append(text[position:end])
        if end == len(text):
            return end
        character = text[end]
        if character == "\\":
            self._escaped = True
        elif character == '"':
            self._in_string = False
            out.append(character)
        else:
            stop = _raw_run(text, end).end()  # type: ignore[union-attr]  # matches the empty string
            out.append(_with_escapes(text[end:stop]))
            return stop
        return end + 1

    def _structure(self, character: str) -> None:
        """Count what is open; closing more than is open is invalid, and everything passes unchanged from here."""
        if character == '"':
            self._in_string = True
        elif character == "{":
            self._braces += 1
        elif character == "[":
            self._brackets += 1
        elif character == "]":
            self._brackets -= 1
            self._passing = self._brackets < 0
        else:
            self._braces -= 1
            self.complete = not (self._braces or self._brackets)
            self._passing = self._braces == 0 and self._brackets > 0


def _with_escapes(text: str) -> str:
    """Return a text with all control characters escaped, the frequent ones first."""
    text = text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    for code in set(text.encode("utf-8", "surrogatepass").translate(None, _NOT_CONTROLS)):
        text = text.replace(chr(code), _ESCAPES[code])
    return text


def repair(text: str) -> str:
    """Return the arguments as one JSON object if a safe repair makes them one, else unchanged.

    Safe repairs: nothing or null becomes the empty object; code fences are removed; a JSON string that contains an
    object is unwrapped once; what follows the first complete object is dropped (docs/chat-completions.md 2.7).
    """
    inner = _unwrap_string(_strip_fence(text.strip()))
    if inner in {"", "null"}:
        return "{}"
    if not inner.startswith("{"):
        return text
    scan = ArgumentsFilter()
    out = scan.add(inner)
    return out if scan.complete else text


def _strip_fence(text: str) -> str:
    """Return a text without a Markdown code fence around it, with or without the name of a language."""
    if len(text) < 2 * len(_FENCE) or not (text.startswith(_FENCE) and text.endswith(_FENCE)):
        return text
    return text[len(_FENCE) : -len(_FENCE)].lstrip(string.ascii_letters).strip()


def _unwrap_string(text: str) -> str:
    """Return the text inside a JSON string, or the text itself if it is not one."""
    if not text.startswith('"'):
        return text
    try:
        inner = strict_json.decode(text.encode())
    except strict_json.JsonError:
        return text
    return inner.strip() if isinstance(inner, str) else text
