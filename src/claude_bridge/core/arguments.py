"""A tool call's arguments, made safe to pass on while they stream.

Only repairs that cannot change what was meant (design 5): raw control characters inside strings
are escaped, what follows the first complete object is dropped. Arguments that do not begin with
``{`` are held to their end, where the few known wrappings are undone. Whatever is still invalid
then passes as it is: Claude Code shows it to the model as an error.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from claude_bridge.core import wire

_STRING_RUN: Final = re.compile(r'(?:[^"\\\x00-\x1f]+|\\[^\x00-\x1f])*')
_PLAIN_RUN: Final = re.compile(r'[^"{}\[\]]*')
_FENCE: Final = re.compile(r"^\s*```[a-zA-Z]*\s*(.*?)\s*```\s*$", re.DOTALL)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_LAST_CONTROL: Final = "\x1f"


@define
class ArgumentsFilter:
    """One call's arguments: fragments in, fragments fit for ``input_json_delta`` out.

    :ivar complete: True once the object is closed; nothing more will come out.
    :ivar held: characters kept back because the text does not begin with an object.
    """

    complete: bool = field(default=False, init=False)
    _head: list[str] | None = field(factory=list, init=False)
    _depth: int = field(default=0, init=False)
    _in_string: bool = field(default=False, init=False)
    _escaped: bool = field(default=False, init=False)
    _blank: bool = field(default=True, init=False)

    @property
    def held(self) -> int:
        """Count the characters kept back."""
        return sum(map(len, self._head)) if self._head else 0

    def feed(self, text: str) -> str:
        """Take a fragment and give what can be passed on now, maybe nothing."""
        if self.complete:
            return ""
        if self._head is None:
            return self._scan(text)
        self._head.append(text)
        if not self._blank or not text.strip():
            return ""
        whole = "".join(self._head)
        if whole.lstrip().startswith("{"):
            self._head = None
            return self._scan(whole)
        self._blank = False
        return ""

    def end(self) -> str:
        """Give what is left: the repaired text of held arguments, ``{}`` for none at all."""
        if self._head is None:
            return "\\" if self._escaped and not self.complete else ""
        text = "".join(self._head)
        self._head = None
        self.complete = True
        return repaired(text)

    def _scan(self, text: str) -> str:
        out: list[str] = []
        position, size = 0, len(text)
        while position < size:
            if self._in_string:
                position = self._scan_string(text, position, out)
                continue
            start = position
            position = _PLAIN_RUN.match(text, position).end()  # type: ignore[union-attr]  # matches the empty string
            if position < size:
                self._structure(text[position])
                position += 1
            out.append(text[start:position])
            if self.complete:
                break
        return "".join(out)

    def _scan_string(self, text: str, position: int, out: list[str]) -> int:
        """Copy up to the string's end or the fragment's; an escape may be cut in two by the fragment."""
        if self._escaped:
            self._escaped = False
            if text[position] > _LAST_CONTROL:
                out.append("\\" + text[position])
                return position + 1
            out.append("\\\\")
        end = _STRING_RUN.match(text, position).end()  # type: ignore[union-attr]  # matches the empty string
        out.append(text[position:end])
        if end == len(text):
            return end
        character = text[end]
        if character == "\\":
            self._escaped = True
            return end + 1 if end + 1 == len(text) else self._odd_escape(end, out)
        if character == '"':
            self._in_string = False
            out.append(character)
        else:
            out.append(_SHORT.get(character) or f"\\u{ord(character):04x}")
        return end + 1

    def _odd_escape(self, end: int, out: list[str]) -> int:
        """Take a backslash before a raw control character: it stands for itself."""
        self._escaped = False
        out.append("\\\\")
        return end + 1

    def _structure(self, character: str) -> None:
        if character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth += 1
        else:
            self._depth -= 1
            self.complete = self._depth <= 0


def repaired(text: str) -> str:
    """Give the arguments as one JSON object if a safe repair makes them one, else as they are.

    Safe: nothing or null is the empty object; code fences come off; a JSON string that holds an object is
    unwrapped once; what follows the first complete object goes (wire-contract 5.7).
    """
    stripped = text.strip()
    if stripped in {"", "null", '""'}:
        return "{}"
    fenced = _FENCE.match(stripped)
    if fenced:
        stripped = fenced.group(1)
    if stripped.startswith('"'):
        try:
            inner = wire.decode(stripped.encode())
        except wire.WireError:
            return text
        stripped = inner.strip() if isinstance(inner, str) else stripped
        if stripped in {"", "null"}:
            return "{}"
    if not stripped.startswith("{"):
        return text
    scan = ArgumentsFilter()
    out = scan.feed(stripped)
    return out if scan.complete else text
