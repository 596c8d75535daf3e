"""Tests for `claude_bridge.core.turn_writer`: the order of what is written. Its form is tested with each API."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define, field

from claude_bridge.core.call_ids import CallIds
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
)
from claude_bridge.core.media_parts import Media
from claude_bridge.core.open_calls import OpenCalls
from claude_bridge.core.tool_results import SUMMARY, ResultContents
from claude_bridge.core.turn_writer import TurnWriter, user_text

IMAGE = Image("data:image/png;base64,aW1hZ2U=")
DOCUMENT = Document("a.pdf", "data:application/pdf;base64,cGRm")


@define
class Lines(TurnWriter):
    """Writes a line for each message of an API of the tests.

    :ivar documents: whether results can contain documents; images they cannot contain.
    """

    documents: bool = False
    lines: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the parts."""
        self._contents = ResultContents(Media("yes", "file", {}), documents=self.documents)
        self._open = OpenCalls(CallIds())

    def write(self, *turns: Turn) -> list[str]:
        """Return the lines of a conversation."""
        self._write(turns)
        return self.lines

    def _assistant(self, turn: Turn, at: int) -> None:
        calls = [" ".join(self._open_call(piece)) for piece in turn.pieces if isinstance(piece, ToolCall)]
        self.lines.append(f"{at} {', '.join(calls) or 'says'}")

    def _write_result(self, identifier: str, inside: list[Content] | None) -> None:
        self.lines.append(f"{identifier}: {'nothing' if inside is None else shown(inside)}")

    def _write_user(self, said: list[Content]) -> None:
        self.lines.append(f"user: {shown(said)}")

    def _write_system(self, texts: list[str]) -> None:
        self.lines += [f"system: {text}" for text in texts]


def shown(content: list[Content]) -> str:
    """Return content in a line."""
    return " | ".join(each.text if isinstance(each, Text) else type(each).__name__ for each in content)


def calls(*ids: str, name: str = "Read") -> Turn:
    """Build an assistant's turn with calls."""
    return Turn("assistant", [ToolCall(each, name, "{}") for each in ids])


def user(*pieces: Piece | str) -> Turn:
    """Build a user's turn."""
    return Turn("user", [Text(each) if isinstance(each, str) else each for each in pieces])


def system(text: str) -> Turn:
    """Build a system message."""
    return Turn("system", [Text(text)])


def result(call_id: str, *content: Content) -> ToolResult:
    """Build a result."""
    return ToolResult(call_id, [*content] or [Text(f"of {call_id}")], is_error=False)


class PairTests:
    """Calls and what answers them."""

    def test_order(self) -> None:
        """Results follow their calls in the calls' order, and what else the user said comes behind them."""
        lines = Lines().write(user("go"), calls("a", "b"), user("first", result("b"), result("a"), "last"))
        assert lines == ["user: go", "1 a Read, b Read", "a: of a", "b: of b", "user: first | last"]

    def test_results_alone(self) -> None:
        """Where the user has said nothing else there is no message."""
        assert Lines().write(calls("a"), user(result("a"))) == ["0 a Read", "a: of a"]

    def test_unanswered(self) -> None:
        """Every call is answered, at the latest in front of the next answer or at the end; an empty turn is kept."""
        assert Lines().write(calls("a"), calls("b")) == ["0 a Read", "a: nothing", "1 b Read", "b: nothing"]
        assert Lines().write(calls("a", "b"), user(result("b"))) == ["0 a Read, b Read", "a: nothing", "b: of b"]
        assert Lines().write(calls("a"), user("go on")) == ["0 a Read", "a: nothing", "user: go on"]
        assert Lines().write(user()) == ["user: "]

    def test_result_without_call(self) -> None:
        """It is shown as the user's own words, as is one that comes a turn too late."""
        orphan = "user: [tool result without call: a] of a"
        assert Lines().write(user(result("a"))) == [orphan]
        assert Lines().write(calls("a"), user("no"), user(result("a")))[-1] == orphan

    def test_names(self) -> None:
        """A name that backends refuse is replaced, and the client's is kept for the answer; others are not."""
        writer = Lines()
        lines = writer.write(calls("a", name="server.tool"), user(result("a")), calls("b"))
        (name,) = writer.names
        assert lines == [f"0 a {name}", "a: of a", "2 b Read", "b: nothing"]
        assert writer.names[name] == "server.tool"


class SystemTests:
    """System messages inside the conversation."""

    def test_in_their_place(self) -> None:
        """They stay where they are if no result is awaited; empty ones are left out."""
        assert Lines().write(user("go"), system("note"), system(""), user("on")) == [
            "user: go",
            "system: note",
            "user: on",
        ]

    def test_behind_results(self) -> None:
        """Between calls and results they wait for the results, in their order."""
        lines = Lines().write(calls("a"), system("1"), system("2"), user(result("a"), "so"))
        assert lines == ["0 a Read", "a: of a", "user: so", "system: 1", "system: 2"]
        assert Lines().write(calls("a"), system("1")) == ["0 a Read", "a: nothing", "system: 1"]


class ContentTests:
    """What is no text."""

    def test_image_of_a_result(self) -> None:
        """What a result cannot contain follows in the user's message, under a label; each turn counts anew."""
        turn = calls("a"), user(result("a", IMAGE))
        seen = ["a: [image 1]", "user: [image 1] of the tool result above: | Image"]
        lines = Lines().write(*turn, calls("b"), user(result("b", IMAGE)))
        assert lines[1:3] == seen
        assert lines[4:] == [line.replace("a:", "b:") for line in seen]

    def test_documents_of_an_orphan(self) -> None:
        """Documents that a result may contain follow the text of one that has no call."""
        lines = Lines(documents=True).write(user(result("a", Text("see"), DOCUMENT)))
        assert lines == ["user: [tool result without call: a] see | Document"]

    def test_user_content(self) -> None:
        """A user's own images and documents stay where they are; a summary is named as one."""
        assert Lines().write(user(IMAGE, "and", DOCUMENT, Summary("so far"))) == [
            f"user: Image | and | Document | {SUMMARY}so far"
        ]


class UserTextTests:
    """A message of one text."""

    @pytest.mark.parametrize(("texts", "whole"), [((), ""), (("a",), "a"), (("a", "b"), "a\n\nb")])
    def test_text(self, texts: Sequence[str], whole: str) -> None:
        """Texts are joined as paragraphs."""
        assert user_text([*map(Text, texts)]) == whole

    def test_parts(self) -> None:
        """With anything else the content stays in parts."""
        assert user_text([Text("a"), IMAGE]) is None
