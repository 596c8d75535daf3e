"""The file that is imported, and what is asked of a reader of one tool's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from claude_bridge.config.secret import Read
from claude_bridge.importers.draft import ImportedConfiguration

UNNAMED: Final = "standard input"
"""What a source without a path is called in messages."""


@frozen(kw_only=True)
class Source:
    """A file of another tool.

    :ivar text: its content, without a byte order mark and with line feeds alone at the ends of lines.
    :ivar path: where it is, for files that it names relative to itself; "" for standard input.
    :ivar read: reads such files.
    :ivar keep_port: whether the address and port of the old program are taken over.
    """

    text: str
    path: str
    read: Read
    keep_port: bool = False

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return self.path or UNNAMED


class NotUsable(Exception):
    """The file has nothing from which a configuration could be made; ``str()`` says why, without secrets."""


Importer: TypeAlias = Callable[[Source], ImportedConfiguration]
"""Reads a source of one tool. Raises `NotUsable`."""
