"""YAML text -> plain values, within bounds, with what is odd in it reported by its path.

PyYAML, which LiteLLM reads its own file with, so that both understand it alike (YAML 1.1: ``no`` is false). Only its
events are used: its loaders recurse, keep the last of duplicate keys without a word, and copy what ``<<`` merges as
often as a file says. No message quotes the text, which holds keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import yaml
from attrs import Factory, define, field, frozen

from claude_bridge.importers.source import NotUsable

MAX_CHARACTERS: Final = 10 * 1024**2
MAX_DEPTH: Final = 60
"""Mappings and lists within each other; real files have about six."""
MAX_VALUES: Final = 500_000
"""Values of a file, those that ``<<`` merges counted each time."""

_STANDARD: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_STANDARD}merge"
_PLAIN: Final = ("null", "bool", "int", "float")
"""What a scalar may be besides a text; dates stay texts."""
_READABLE: Final = frozenset(
    _STANDARD + word
    for word in (*_PLAIN, "str", "timestamp", "binary", "merge", "value", "seq", "map", "set", "omap", "pairs")
)

_TAGGED: Final = "a tag (!) that LiteLLM cannot read either: left out"

Plain: TypeAlias = str | int | float | bool | None


@frozen
class Scalar:
    """One value that is neither a mapping nor a list.

    :ivar text: as it is written.
    :ivar value: what that means; a text where the type is one of no use here, such as a date.
    """

    text: str
    value: Plain


Tree: TypeAlias = "Scalar | list[Tree] | dict[str, Tree]"


@frozen(kw_only=True)
class YamlFile:
    """What a YAML text holds.

    :ivar root: the mapping that it is.
    :ivar oddities: paths and what is odd there, in the order of the text.
    """

    root: Mapping[str, Tree]
    oddities: tuple[tuple[str, str], ...]


def read_yaml(text: str, called: str, most: int = MAX_CHARACTERS) -> YamlFile:
    """Return what a text of at most so many characters holds.

    Raises `NotUsable`; ``called`` is what the file is called in its message.
    """
    if len(text) > most:
        raise NotUsable(f"{called} is larger than {MAX_CHARACTERS // 1024**2} MB, too large for a configuration")
    building = _Building(called, _Types())
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            building.feed(event)
            if building.is_over:
                break
    except yaml.YAMLError as error:
        raise NotUsable(f"{called} is not valid YAML{_where(error)}") from None
    if not isinstance(building.root, dict):
        raise NotUsable(f"{called} holds no settings: a file of LiteLLM is a mapping with model_list")
    return YamlFile(root=building.root, oddities=tuple(dict.fromkeys(building.oddities)))


def _where(error: Exception) -> str:
    """Return the place of a mistake; its own words may quote the text."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


@frozen
class _Types:
    """Tells what scalars mean, as PyYAML's safe loader does."""

    _resolver: Any = field(factory=yaml.resolver.Resolver)
    _constructor: yaml.constructor.SafeConstructor = field(factory=yaml.constructor.SafeConstructor)

    def tag(self, event: Any) -> str:  # noqa: ANN401 - an event of PyYAML
        """Return the tag of a scalar: the one that is written, else the one that its text implies."""
        if event.tag is not None and event.tag != "!":
            return str(event.tag)
        return str(self._resolver.resolve(yaml.nodes.ScalarNode, event.value, event.implicit))

    def value(self, tag: str, text: str) -> Plain:
        """Return the value of a scalar with a standard tag; its text if it has no such value."""
        word = tag.removeprefix(_STANDARD)
        if word not in _PLAIN:
            return text
        node = yaml.nodes.ScalarNode(tag, text)
        try:
            found: Plain = getattr(self._constructor, f"construct_yaml_{word}")(node)
        except (ValueError, KeyError, IndexError):
            return text
        return found


@define
class _Open:
    """A mapping or list that is being read.

    :ivar is_odd: it has a tag that cannot be read.
    :ivar anchor: the name under which aliases refer to it, or None.
    :ivar key: the key that waits for its value; None before a key, or in a list.
    :ivar skips: the value that comes belongs to a key that cannot be used.
    :ivar merges: the key is ``<<``.
    :ivar merged: the mappings that ``<<`` names.
    """

    path: str
    tree: dict[str, Tree] | list[Tree]
    is_odd: bool = False
    anchor: str | None = None
    key: str | None = None
    skips: bool = False
    merges: bool = False
    merged: list[Tree] = Factory(list)

    @property
    def awaits_key(self) -> bool:
        """Whether the next value is a key."""
        return isinstance(self.tree, dict) and self.key is None and not self.skips

    @property
    def next_path(self) -> str:
        """Where the next value is."""
        if isinstance(self.tree, list):
            return f"{self.path}[{len(self.tree)}]"
        return join(self.path, "?" if self.key is None else self.key)


@define
class _Building:
    """Puts the values of a text together from PyYAML's events, without recursion."""

    called: str
    types: _Types
    root: Tree | None = None
    oddities: list[tuple[str, str]] = Factory(list)
    is_over: bool = False
    _open: list[_Open] = Factory(list)
    _anchors: dict[str, Tree | None] = Factory(dict)
    _values: int = 0

    def feed(self, event: Any) -> None:  # noqa: ANN401 - an event of PyYAML
        """Read one event."""
        match type(event).__name__:
            case "DocumentStartEvent" if self.root is not None:
                self._odd("---", "a second document follows, which LiteLLM does not read either")
                self.is_over = True
            case "ScalarEvent":
                self._scalar(event)
            case "AliasEvent":
                self._alias(event.anchor)
            case "MappingStartEvent" | "SequenceStartEvent" as name:
                self._begin(event, {} if name.startswith("Mapping") else [])
            case "MappingEndEvent" | "SequenceEndEvent":
                self._end()

    @property
    def _path(self) -> str:
        return self._open[-1].next_path if self._open else ""

    def _odd(self, path: str, what: str) -> None:
        self.oddities.append((path, what))

    def _count(self, number: int) -> None:
        self._values += number
        if self._values > MAX_VALUES:
            raise NotUsable(f"{self.called} has more than {MAX_VALUES:,} values, too many for a configuration")

    def _begin(self, event: Any, tree: dict[str, Tree] | list[Tree]) -> None:  # noqa: ANN401 - an event of PyYAML
        self._count(1)
        if len(self._open) >= MAX_DEPTH:
            raise NotUsable(f"{self.called} has more than {MAX_DEPTH} mappings and lists within each other")
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # until it is complete
        self._open.append(_Open(self._path, tree, is_odd=not _is_standard(event.tag), anchor=event.anchor))

    def _end(self) -> None:
        closed = self._open.pop()
        tree: Tree | None = closed.tree
        if isinstance(closed.tree, dict):
            self._merge(closed, closed.tree)
        if closed.is_odd:
            self._odd(closed.path, _TAGGED)
            tree = None
        if closed.anchor is not None:
            self._anchors[closed.anchor] = tree
        self._place(tree)

    def _merge(self, closed: _Open, target: dict[str, Tree]) -> None:
        """Add what ``<<`` names: the mapping's own keys come first, then those of the first mapping named."""
        for each in closed.merged:
            for mapping in each if isinstance(each, list) else [each]:
                if not isinstance(mapping, dict):
                    self._odd(join(closed.path, "<<"), "no mapping, so nothing is added")
                    continue
                self._count(len(mapping))
                for key, value in mapping.items():
                    target.setdefault(key, value)

    def _scalar(self, event: Any) -> None:  # noqa: ANN401 - an event of PyYAML
        self._count(1)
        tag = self.types.tag(event)
        if tag not in _READABLE:
            self._odd(self._path, _TAGGED)
            self._place(None)
            return
        scalar = Scalar(event.value, self.types.value(tag, event.value))
        if event.anchor is not None:
            self._anchors[event.anchor] = scalar
        self._place(scalar, is_merge=tag == _MERGE)

    def _alias(self, name: str) -> None:
        self._count(1)
        if name not in self._anchors:
            raise NotUsable(f"{self.called} is not valid YAML: {self._path} refers to an anchor that is not there")
        tree = self._anchors[name]
        if tree is None:
            self._odd(self._path, "a reference to something that it is a part of: left out")
        self._place(tree)

    def _place(self, tree: Tree | None, *, is_merge: bool = False) -> None:
        """Put a value where it belongs; None stands for one that cannot be used."""
        if not self._open:
            self.root = tree
            return
        parent = self._open[-1]
        if isinstance(parent.tree, list):
            parent.tree.append(Scalar("", None) if tree is None else tree)
        elif parent.awaits_key:
            self._key(parent, tree, is_merge=is_merge)
        else:
            self._entry(parent, parent.tree, tree)

    def _key(self, parent: _Open, tree: Tree | None, *, is_merge: bool) -> None:
        if isinstance(tree, Scalar):
            parent.key, parent.merges = tree.text, is_merge
        else:
            self._odd(join(parent.path, "?"), "a key that is no text: what it stands for is left out")
            parent.skips = True

    def _entry(self, parent: _Open, entries: dict[str, Tree], tree: Tree | None) -> None:
        """Put a value behind the key that waits for it."""
        key, parent.key, skips, parent.skips = parent.key, None, parent.skips, False
        if skips or key is None:
            return
        if parent.merges:
            parent.merged += [] if tree is None else [tree]
            return
        if key in entries:
            self._odd(join(parent.path, key), "given twice: the last one counts, as for LiteLLM")
        entries[key] = Scalar("", None) if tree is None else tree


def _is_standard(tag: str | None) -> bool:
    return tag is None or tag == "!" or tag in _READABLE


def join(path: str, key: str) -> str:
    """Return the path of a key in the mapping at ``path``; a long key is cut."""
    shown = "".join(each if each.isprintable() else "?" for each in key[:80])
    return f"{path}.{shown}" if path else shown


def texts(tree: Tree | None) -> Iterator[str]:
    """Yield the texts of a scalar, or of a list of scalars, as they are written."""
    for each in tree if isinstance(tree, list) else [tree]:
        if isinstance(each, Scalar) and each.value is not None and each.text:
            yield each.text
