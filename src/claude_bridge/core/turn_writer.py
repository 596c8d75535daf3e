"""Writes turns in a backend's own terms, in the order that strict servers require.

Every call of an assistant's turn is answered directly after it, in the calls' order; anything else from the user
follows in one message. Servers refuse a conversation that leaves a call open, answers one twice, or has a result
without its call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from attrs import define, field

from claude_bridge.core.conversation import (
    Content,
    Document,
    Image,
    Piece,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    text_of,
)
from claude_bridge.core.open_calls import OpenCall, OpenCalls
from claude_bridge.core.tool_names import upstream_name
from claude_bridge.core.tool_results import SUMMARY, ResultContents, text_output


@define
class TurnWriter(ABC):
    """Pairs calls with their results, and user content with what results could not contain.

    A subclass for an API writes what it is passed. It is a base class instead of a part so that a turn costs no more.

    :ivar names: the backend's name of a called tool -> the client's, where they differ.
    """

    names: dict[str, str] = field(factory=dict, init=False)
    _contents: ResultContents = field(init=False)
    _open: OpenCalls = field(init=False)
    _held_system_texts: list[str] = field(factory=list, init=False)

    # --- what is up to each API -------------------------------------------------------------------------------

    @abstractmethod
    def _assistant(self, turn: Turn, at: int) -> None:
        """Write an assistant's turn; ``at`` is its place among the turns."""

    @abstractmethod
    def _write_result(self, identifier: str, inside: list[Content] | None) -> None:
        """Write what the result of a call contains, None if there is no result; ``identifier``: the backend's own."""

    @abstractmethod
    def _write_user(self, said: list[Content]) -> None:
        """Write a user's message, which may be empty."""

    @abstractmethod
    def _write_system(self, texts: list[str]) -> None:
        """Write system messages."""

    # --- turns ------------------------------------------------------------------------------------------------

    def _write(self, turns: Sequence[Turn]) -> None:
        """Write all turns of a conversation."""
        for at, turn in enumerate(turns):
            if turn.role == "assistant":
                self._close_open()
                self._assistant(turn, at)
            elif turn.role == "user":
                self._user(turn)
            else:
                self._system(turn)
        self._close_open()

    def _open_call(self, piece: ToolCall) -> tuple[str, str]:
        """Return the backend's own id and name of a call, and note that its result is awaited."""
        name = upstream_name(piece.name)
        if name != piece.name:
            self.names[name] = piece.name
        return self._open.add(piece.id), name

    def _user(self, turn: Turn) -> None:
        rest = self._open.take_results(turn.pieces)
        self._contents.restart()
        calls = self._open.close()
        said = self._answer(calls) if calls else []
        for piece in rest:
            said += [piece] if isinstance(piece, Text) else self._as_content(piece)
        if said or not any(call.result for call in calls):
            self._write_user(said)
        if self._held_system_texts:
            self._write_held_system_texts()

    def _as_content(self, piece: Piece) -> list[Content]:
        """Return a piece other than text as content of a user message."""
        if isinstance(piece, Image | Document):
            return [self._contents.media.convert(piece)]
        if isinstance(piece, ToolResult):
            inside, shown = self._contents.split(piece, images=False)
            output = text_output([each for each in inside if not isinstance(each, Document)])
            files = [each for each in inside if isinstance(each, Document)]
            return [Text(f"[tool result without call: {piece.call_id}] {output}"), *files, *shown]
        return [Text(SUMMARY + piece.text if isinstance(piece, Summary) else text_of(piece))]

    def _system(self, turn: Turn) -> None:
        """Leave a system message in its place, or put it after the results that open calls still wait for."""
        text = "\n\n".join(map(text_of, turn.pieces))
        if text:
            self._held_system_texts.append(text)
        if not self._open:
            self._write_held_system_texts()

    def _close_open(self) -> None:
        """Answer open calls that have no result, and write the system messages that waited for the results."""
        if self._open:
            self._answer(self._open.close())
        if self._held_system_texts:
            self._write_held_system_texts()

    def _write_held_system_texts(self) -> None:
        self._write_system(self._held_system_texts)
        self._held_system_texts.clear()

    def _answer(self, calls: list[OpenCall]) -> list[Content]:
        """Write the results of calls; return what only a user message can contain of them."""
        shown: list[Content] = []
        for call in calls:
            inside = None
            if call.result is not None:
                inside, user_content = self._contents.split(call.result)
                shown += user_content
            self._write_result(call.upstream, inside)
        return shown


def user_text(said: list[Content]) -> str | None:
    """Return what a user said as one text, which every server accepts, or None if it is not all text."""
    if len(said) == 1 and isinstance(said[0], Text):
        return said[0].text
    texts = [each.text for each in said if isinstance(each, Text)]
    return "\n\n".join(texts) if len(texts) == len(said) else None
