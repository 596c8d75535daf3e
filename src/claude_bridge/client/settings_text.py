"""Edits the JSON text of a settings file member by member; every byte that is not the member's stays as it was.

Pure: text in, text out. The file's byte order mark, line ends, indentation, order and spelling of numbers and strings
survive because nothing is written anew. What was added can be taken out again so that the old text comes back; an
object that was empty before, or not there, is the one thing that the text cannot tell afterwards, so `Edit` has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from json.decoder import JSONDecodeError
from typing import Any, Final, NoReturn

from attrs import field, frozen

Path = tuple[str, ...]
"""Keys from the outermost object to a member; ``()`` is that object itself."""

BOM: Final = "\ufeff"

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")([ \t\n\r]*:)?|[{}]', re.DOTALL)
_COMMENTS: Final = ("//", "/*", "#")
_UNIT: Final = "  "
_IGNORED: Final = "and Claude Code ignores the whole file"


class InvalidSettings(ValueError):
    """A text that cannot be edited; ``str()`` says where and why."""


@frozen
class Edit:
    """A text in which a member was set, and what is needed to take it out again.

    :ivar was: the member's value as it was spelled before, or None if there was none.
    :ivar objects: the objects that were empty before, each with the white space inside, or did not exist (None); the
        outer ones first.
    """

    text: str
    was: str | None = field(repr=False)
    objects: tuple[tuple[Path, str | None], ...]


@frozen
class _Member:
    """Where a member stands in the text; all are indexes."""

    key: str
    begin: int
    key_end: int
    value: int
    end: int


@frozen
class _Object:
    """Where an object stands in the text: the indexes of its braces, and its members in order."""

    begin: int
    end: int
    members: tuple[_Member, ...]

    def get(self, key: str) -> _Member | None:
        """Return a member, or None."""
        return next((member for member in self.members if member.key == key), None)


def decoded(content: bytes) -> str:
    """Return the text of a settings file that can be edited. Raises `InvalidSettings`."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidSettings(f"line {line}: this is not UTF-8") from None
    value = parsed(text)
    if not isinstance(value, dict):
        _refuse(text, _start(text), "settings are one JSON object, in braces")
    _refuse_duplicates(text)
    return text


def parsed(text: str) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return the value of a JSON text, with or without a byte order mark. Raises `InvalidSettings`."""
    start = _start(text)
    try:
        value, end = _decoder.raw_decode(text, start)
    except JSONDecodeError as error:
        _refuse(text, error.pos, _meaning(text, error))
    except RecursionError:
        raise InvalidSettings("it is nested too deeply") from None
    except ValueError as error:  # NaN and Infinity, numbers of thousands of digits
        raise InvalidSettings(f"this is not JSON: {error}") from None
    rest = _skip(text, end)
    if rest != len(text):
        told = _comment(text, rest) or "the text goes on after the end of the JSON"
        _refuse(text, rest, told)
    return value


def spelled(text: str, path: Path) -> str | None:
    """Return a member's value as it stands in the text, or None if there is no such member.

    Raises `InvalidSettings` if something on the way to it is not an object.
    """
    if not path:
        return text[_start(text) :]
    parent = _object(text, path[:-1])
    member = None if parent is None else parent.get(path[-1])
    return None if member is None else text[member.value : member.end]


def value_at(text: str, path: Path) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return a member's value, or None if there is no such member. Raises `InvalidSettings` as `spelled` does."""
    found = spelled(text, path)
    return None if found is None else _decoder.decode(found)


def set_member(text: str, path: Path, value: str) -> Edit:
    """Set a member to ``value``, which is JSON; the objects on the way to it are made if needed.

    Raises `InvalidSettings` if something on the way is not an object.
    """
    was = spelled(text, path)
    if was is not None:
        return Edit(_replaced(text, path, value), was, ())
    objects: list[tuple[Path, str | None]] = []
    for depth in range(1, len(path)):
        if spelled(text, path[:depth]) is None:
            objects += _blank(text, path[: depth - 1], objects)
            text = _added(text, path[:depth], "{}")
            objects.append((path[:depth], None))
    objects += _blank(text, path[:-1], objects)
    return Edit(_added(text, path, value), None, tuple(objects))


def restore(text: str, path: Path, was: str | None) -> str:
    """Restore the value that a member had before `set_member`, or remove it if there was none."""
    return _removed(text, path) if was is None else _replaced(text, path, was)


def restore_objects(text: str, objects: Sequence[tuple[Path, str | None]]) -> str:
    """Restore the form of the objects that are empty again: `Edit.objects`, in that order."""
    for path, before in reversed(objects):
        found = _object(text, path)
        if found is not None and not found.members:
            text = _removed(text, path) if before is None else _filled(text, found, before)
    return text


def _blank(text: str, path: Path, made: Sequence[tuple[Path, str | None]]) -> list[tuple[Path, str | None]]:
    """Return an object with its white space, if it is empty and was not made just now; else nothing."""
    found = _object(text, path)
    if found is None or found.members or any(path == each for each, _ in made):
        return []
    return [(path, text[found.begin + 1 : found.end])]


def _replaced(text: str, path: Path, value: str) -> str:
    member = _member(text, path)
    return text[: member.value] + value + text[member.end :]


def _filled(text: str, empty: _Object, blank: str) -> str:
    return text[: empty.begin + 1] + blank + text[empty.end :]


def _removed(text: str, path: Path) -> str:
    """Remove a member, and the comma and the space that went with it."""
    parent = _object(text, path[:-1])
    assert parent is not None  # noqa: S101 - callers have looked
    index = next(at for at, member in enumerate(parent.members) if member.key == path[-1])
    member = parent.members[index]
    if len(parent.members) == 1:
        return text[: parent.begin + 1] + text[parent.end :]
    if index + 1 < len(parent.members):
        return text[: member.begin] + text[parent.members[index + 1].begin :]
    return text[: parent.members[index - 1].end] + text[member.end :]


def _added(text: str, path: Path, value: str) -> str:
    """Add a member as the last of its object, spaced as its neighbours are."""
    parent = _object(text, path[:-1])
    assert parent is not None  # noqa: S101 - callers have looked
    key = json.dumps(path[-1], ensure_ascii=False)
    if parent.members:
        last = parent.members[-1]
        colon = _colon(text, last)
        return text[: last.end] + "," + _gap(text, parent, colon) + key + colon + value + text[last.end :]
    root = _object(text, ())
    first = root.members[0] if root is not None and root.members else None
    member = key + (": " if first is None else _colon(text, first)) + value
    if first is None or "\n" in text.strip():
        line_end = "\r\n" if "\r\n" in text else "\n"
        outer = _indent(text, parent.begin)
        unit = _UNIT if first is None or "\n" not in text[: first.begin] else _indent(text, first.begin)
        member = line_end + outer + unit + member + line_end + outer
    return text[: parent.begin + 1] + member + text[parent.end :]


def _gap(text: str, parent: _Object, colon: str) -> str:
    """Return the white space between a comma and the next key, as this object has it."""
    last = parent.members[-1]
    if len(parent.members) > 1:
        comma = text.index(",", parent.members[-2].end)
        return text[comma + 1 : last.begin]
    gap = text[parent.begin + 1 : last.begin]
    return gap or (" " if colon.endswith(" ") else "")


def _colon(text: str, member: _Member) -> str:
    """Return the colon of a member with the space around it."""
    found = text[member.key_end : member.value]
    return ": " if "\n" in found or "\r" in found else found


def _indent(text: str, at: int) -> str:
    """Return the white space at the beginning of the line in which something stands."""
    begin = text.rfind("\n", 0, at) + 1
    line = text[begin:at].removeprefix(BOM)
    return line[: len(line) - len(line.lstrip(" \t"))]


def _member(text: str, path: Path) -> _Member:
    parent = _object(text, path[:-1])
    member = None if parent is None else parent.get(path[-1])
    assert member is not None  # noqa: S101 - callers have looked
    return member


def _object(text: str, path: Path) -> _Object | None:
    """Return where an object stands, or None if there is none. Raises `InvalidSettings` for another value."""
    at = _start(text)
    for depth in range(len(path) + 1):
        if text[at] != "{":
            _refuse(text, at, f"{'.'.join(path[:depth])} is not an object, in braces")
        found = _members(text, at)
        if depth == len(path):
            return found
        member = found.get(path[depth])
        if member is None:
            return None
        at = member.value
    return None


def _members(text: str, begin: int) -> _Object:
    """Return the object whose brace is at ``begin``, in a text that is valid."""
    members = []
    at = _skip(text, begin + 1)
    while text[at] != "}":
        key, key_end = _decoder.raw_decode(text, at)
        value = _skip(text, _skip(text, key_end) + 1)
        _, end = _decoder.raw_decode(text, value)
        members.append(_Member(key, at, key_end, value, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return _Object(begin, at, tuple(members))


def _start(text: str) -> int:
    """Return the index of the first character that is neither white space nor a byte order mark."""
    return _skip(text, len(BOM) if text.startswith(BOM) else 0)


def _skip(text: str, at: int) -> int:
    """Return the index of the next character that is not white space."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _refuse_duplicates(text: str) -> None:
    """Raise `InvalidSettings` if an object has a key twice: which one counts is a matter of luck."""
    objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        if token[0] == "{":
            objects.append(set())
        elif token[0] == "}":
            objects.pop()
        elif token[2]:
            key = _decoder.decode(token[1])
            if key in objects[-1]:
                _refuse(text, token.start(), f"the key {token[1]} is there twice in one object; remove one of them")
            objects[-1].add(key)


def _meaning(text: str, error: JSONDecodeError) -> str:
    """Return what is wrong in the words of somebody who wrote the file by hand."""
    if not text[_start(text) :]:
        return "the file is empty"
    at = _skip(text, error.pos)
    if text[at : at + 1] == ",":
        at = _skip(text, at + 1)
    before = text[: error.pos + 1].rstrip(" \t\r\n}]")
    comment = _comment(text, at)
    if comment:
        return comment
    if text[at : at + 1] in ("}", "]") and before.endswith(","):
        return f"a comma after the last entry is not allowed in JSON, {_IGNORED}; remove it"
    return f"this is not JSON: {error.msg}"


def _comment(text: str, at: int) -> str | None:
    """Return what to do about a comment, or None if there is none at this index."""
    if not text.startswith(_COMMENTS, at):
        return None
    return f"a comment is not allowed in JSON, {_IGNORED}; remove it"


def _refuse(text: str, at: int, reason: str) -> NoReturn:
    begin = text.rfind("\n", 0, at) + 1
    raise InvalidSettings(f"line {text.count(chr(10), 0, at) + 1}, column {at - begin + 1}: {reason}")


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in it")


_decoder: Final = json.JSONDecoder(parse_constant=_not_json)
