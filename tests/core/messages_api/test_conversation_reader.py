"""Tests for `claude_bridge.core.messages_api.conversation_reader`."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.conversation import Image, Text
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.anthropic_types import InputMessage
from claude_bridge.core.messages_api.conversation_reader import (
    STEP,
    STEP_BYTES,
    ConversationReader,
    prepare_reading,
    reading_of,
    with_messages,
)
from claude_bridge.core.messages_api.limits import BOUNDS
from claude_bridge.core.strict_json import JsonError
from tests.core.asking import IMAGE, asked, assistant, body, refusal, result, text, translate, use, user


def texts(reading: ConversationReader) -> list[list[str]]:
    """Return the texts of each message."""
    return [[piece.text for piece in turn.pieces if isinstance(piece, Text)] for turn in reading.turns]


class ReadingTests:
    """Messages that are read once, a part at a time."""

    def test_in_steps(self) -> None:
        """A long conversation takes several steps, also where it is one long message, and loses nothing."""
        long = [text(str(number)) for number in range(2 * STEP + 1)]
        reading = reading_of(asked(user(*long), assistant("b"), user("c")))
        steps = 1
        while not reading.step():
            steps += 1

        assert steps > 2
        assert texts(reading) == [[block["text"] for block in long], ["b"], ["c"]]
        assert reading.count == len(long)

    @pytest.mark.parametrize("large", [False, True])
    def test_large_blocks(self, large: bool) -> None:
        """A large request is cut into steps by its bytes too, between messages and inside one, and loses nothing."""
        said = ["a" * (STEP_BYTES // 2), "b" * (STEP_BYTES // 3), "c" * (2 * STEP_BYTES), "d"]
        whole = asked(user(*map(text, said)), assistant(text(said[2])), user(text("end")))
        prepare_reading(whole, BOUNDS, marked=False, large=large)
        reading = reading_of(whole)
        steps = 1
        while not reading.step():
            steps += 1

        assert (steps > 3) == large
        assert texts(reading) == [said, [said[2]], ["end"]]

    def test_many_short_messages(self) -> None:
        """Many messages are cut into steps as many blocks are."""
        reading = reading_of(asked(*[user("a"), assistant("b")] * STEP))

        assert not reading.step()
        assert len(reading.read_all().turns) == 2 * STEP

    def test_once(self) -> None:
        """Everybody who asks gets the same reading, and the bytes that it was made of are let go of."""
        whole = asked(user(text("a"), IMAGE))
        reading = reading_of(whole)

        assert reading_of(whole) is reading.read_all()
        assert [message.content for message in whole.messages] == [""]
        assert translate(whole, Target(model="m")).body == translate(whole, Target(model="m")).body

    def test_path_in_a_later_part(self) -> None:
        """What is malformed far behind in a long message is named by its true place."""
        blocks = [*[text("a")] * (STEP + 5), {"type": "text"}]
        assert refusal(user(*blocks)) == f"messages.0.content.{STEP + 5}.text: Field required"

    def test_role(self) -> None:
        """A role that nobody knows is named."""
        with pytest.raises(JsonError, match=r"^messages\.1\.role: "):
            reading_of(asked(user("a"), {"role": "tool", "content": "b"})).read_all()

    def test_media(self) -> None:
        """Pictures are found inside results as well; those of an assistant are none that a model could be given."""
        reading = reading_of(asked(user(IMAGE), assistant(IMAGE, use("t")), user(result("t", [IMAGE])))).read_all()

        assert [type(part) for part in reading.media] == [Image, Image]

    def test_marked(self) -> None:
        """A client that marks prefixes to be cached does so anywhere in its request, but not in a text."""
        assert reading_of(asked(user(text("a", cache_control={"type": "ephemeral"})))).marked
        assert not reading_of(asked(user('say "cache_control"'))).marked

    def test_with_more(self) -> None:
        """A longer conversation begins with what was read already, and leaves the shorter one as it is."""
        whole = asked(user("a"), assistant({"type": "tool_addition", "tool": {"name": "x"}}))
        longer = with_messages(whole, [InputMessage("user", "b")])
        longest = with_messages(longer, [InputMessage("assistant", "c")])

        assert [len(reading_of(each).read_all().turns) for each in (whole, longer, longest)] == [2, 3, 4]
        assert texts(reading_of(longest))[2:] == [["b"], ["c"]]
        assert reading_of(longest).loaded == reading_of(whole).loaded == {"x"}
        assert (len(whole.messages), len(longer.messages)) == (2, 3)

    def test_decode_prepares(self) -> None:
        """A request is decoded with its bounds; nothing is read before somebody asks."""
        assert reading_of(parsing.decode(body(user("a")))).turns == []
