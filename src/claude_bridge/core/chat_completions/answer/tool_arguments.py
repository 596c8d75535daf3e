"""A tool call's arguments, made safe to pass on while they stream.

Only repairs that cannot change what was meant (design 5): raw control characters inside strings
are escaped, what surrounds the first complete object is dropped. Arguments that do not begin with
``{`` are held to their end, where the few known wrappings are undone. Whatever is still invalid
then passes as it is: Claude Code shows it to the model as an error.
"""

from __future__ import annotations

import re
import string
from io import StringIO
from typing import Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.answer.work import Work
from claude_bridge.core.sizes import size

# Classes name what may stand there, not what may not, and nothing is tried twice: half the time for a long text.
_IN_STRING: Final = r"[ !#-\[\]-\U0010ffff]*+(?:\\[ -\U0010ffff][ !#-\[\]-\U0010ffff]*+)*+"
_string_run: Final = re.compile(_IN_STRING).match
# The outer `*` is not possessive: CPython 3.11.2, Debian 12's own, lets a possessive group run past a failed branch.
_plain_run: Final = re.compile(rf'(?:[^"{{}}\[\]]++|"{_IN_STRING}")*').match
_whole_strings: Final = re.compile(rf'(?:[^"]++|"{_IN_STRING}")*').match
_strings: Final = re.compile(f'"{_IN_STRING}"').sub
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_raw_run: Final = re.compile(r'[^"\\]*+(?:\\[ -\U0010ffff][^"\\]*+)*+').match
_NOT_CONTROLS: Final = bytes(range(32, 256))
_ESCAPES: Final = [f"\\u{code:04x}" for code in range(32)]
_ESCAPES[8], _ESCAPES[12] = "\\b", "\\f"
_FENCE: Final = "```"
_STRUCTURE: Final = frozenset('"{}[]')

PIECE: Final = 16 * 1024
"""Characters whose brackets are counted at once; where that does not do, as at the object's end, each is looked at."""

_LONG: Final = 256
"""Characters from which on counting at once is quicker than a look at each bracket."""

_LEVELS: Final = 32
"""Levels of nesting that are seen through at once."""

_STEP: Final = 2
"""Work for a look at one bracket or string."""

_CHARACTERS, _QUOTES, _BRACKETS = 64, 5, 8
"""So many of these are counted at once for one unit of work."""


@define
class ArgumentsFilter:
    """One call's arguments: fragments in, fragments fit for ``input_json_delta`` out. Time is linear.

    :ivar complete: True once the object is closed; nothing more will come out.
    :ivar held: bytes kept back because the text does not begin with an object.
    """

    _work: Work = field(factory=Work)
    complete: bool = field(default=False, init=False)
    held: int = field(default=0, init=False)
    _head: StringIO | None = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)
    _braces: int = field(default=0, init=False)
    _brackets: int = field(default=0, init=False)
    _in_string: bool = field(default=False, init=False)
    _escaped: bool = field(default=False, init=False)
    _broken: bool = field(default=False, init=False)

    def add(self, text: str) -> str:
        """Add a fragment and return what can be passed on now, maybe nothing."""
        if self._in_string and not self._escaped and _string_run(text).end() == len(text):  # type: ignore[union-attr]
            return text  # most of a long text is the inside of a string
        if self.complete:
            return ""
        if self._begun:
            return text if self._broken else self._scan(text)
        return self._begin(text)

    def end(self) -> str:
        """Return what is left: the repaired text of held arguments, ``{}`` for none at all."""
        self.complete = True
        self._in_string = False
        if self._begun:
            return "\\" if self._escaped else ""
        text = self._head.getvalue() if self._head is not None else ""
        self._head = None
        self.held = 0
        return repaired(text)

    def _begin(self, text: str) -> str:
        """Find out whether the text is an object; white space before it goes."""
        if self._head is None:
            text = text.lstrip()
            if text.startswith("{"):
                self._begun = True
                if text.endswith("}") and strict_json.is_object(text):  # it came whole, and there is nothing to mend
                    self.complete = True
                    return text
                return self._scan(text)
            if not text:
                return ""
            self._head = StringIO()
        self._head.write(text)
        self.held += size(text)
        return ""

    def _scan(self, text: str) -> str:
        out: list[str] = []
        position, size, counted, left = 0, len(text), 0, self._work.left
        while position < size and not self.complete:
            left -= _STEP
            if left < 0:
                self._give_up(text[position:], out)
                break
            if self._in_string:
                position = self._scan_string(text, position, out)
                continue
            start = position
            if position >= counted and size - position > _LONG and self._braces:
                counted = _whole_strings(text, position, position + PIECE).end()  # type: ignore[union-attr]  # matches the empty string
                if counted - position > _LONG:
                    steps = self._count(text[position:counted])
                    left -= abs(steps)
                    position = counted if steps > 0 else position
            if position == start:
                position = _plain_run(text, position, position + PIECE).end()  # type: ignore[union-attr]  # matches the empty string
            if position < size and text[position] in _STRUCTURE:
                self._structure(text[position])
                position = size if self._broken else position + 1
            out.append(text[start:position])
        self._work.left = max(0, left)
        return "".join(out)

    def _count(self, text: str) -> int:
        """Count the brackets in whole strings and what is between them, and tell what that was worth.

        That is less than nothing where the object may end among them, so that each has to be looked at. A pair with
        nothing in it ends no object that was open before it, so pairs are taken out, level by level.
        """
        brackets = _strings("", text).encode("ascii", "ignore").translate(None, _NOT_BRACKETS)
        work = len(text) // _CHARACTERS + text.count('"') // _QUOTES
        for _ in range(_LEVELS):
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
        """Let the text through as it is, and all that follows."""
        if self._escaped:
            out.append("\\")
        self._escaped = self._in_string = False
        self._broken = True
        out.append(text)

    def _scan_string(self, text: str, position: int, out: list[str]) -> int:
        """Copy up to the string's end or the fragment's, which may cut an escape in two; control characters escaped."""
        if self._escaped:
            self._escaped = False
            if text[position] >= " ":
                out.append("\\" + text[position])
                return position + 1
            out.append("\\\\")  # before a raw control character a backslash can only stand for itself
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
        """Count what is open; what closes more than is open is no JSON and lets everything through from here."""
        if character == '"':
            self._in_string = True
        elif character == "{":
            self._braces += 1
        elif character == "[":
            self._brackets += 1
        elif character == "]":
            self._brackets -= 1
            self._broken = self._brackets < 0
        else:
            self._braces -= 1
            self.complete = not (self._braces or self._brackets)
            self._broken = self._braces == 0 and self._brackets > 0


def _with_escapes(text: str) -> str:
    """Escape all control characters, the frequent ones first."""
    text = text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    for code in set(text.encode("utf-8", "surrogatepass").translate(None, _NOT_CONTROLS)):
        text = text.replace(chr(code), _ESCAPES[code])
    return text


def repaired(text: str) -> str:
    """Return the arguments as one JSON object if a safe repair makes them one, else as they are.

    Safe: nothing or null is the empty object; code fences come off; a JSON string that holds an object is
    unwrapped once; what follows the first complete object goes (wire-contract 5.7).
    """
    inner = _unwrapped(_unfenced(text.strip()))
    if inner in {"", "null"}:
        return "{}"
    if not inner.startswith("{"):
        return text
    scan = ArgumentsFilter()
    out = scan.add(inner)
    return out if scan.complete else text


def _unfenced(text: str) -> str:
    """Take off a Markdown code fence with or without the name of a language."""
    if len(text) < 2 * len(_FENCE) or not (text.startswith(_FENCE) and text.endswith(_FENCE)):
        return text
    return text[len(_FENCE) : -len(_FENCE)].lstrip(string.ascii_letters).strip()


def _unwrapped(text: str) -> str:
    """Return the text inside a JSON string, or the text itself where it is none."""
    if not text.startswith('"'):
        return text
    try:
        inner = strict_json.decode(text.encode())
    except strict_json.JsonError:
        return text
    return inner.strip() if isinstance(inner, str) else text
