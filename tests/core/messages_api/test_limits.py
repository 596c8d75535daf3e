"""Tests for `claude_bridge.core.messages_api.limits`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.conversation_reader import reading_of
from claude_bridge.core.messages_api.limits import RequestLimits
from tests.core.asking import IMAGE, assistant, body, result, text, tool, use, user


def nodes(count: int) -> dict[str, Any]:
    """Make a schema of so many objects."""
    return {"type": "object", "properties": {f"p{number}": {} for number in range(count - 2)}}


SCHEMAS = [tool("f", input_schema=nodes(30)), tool("g", input_schema=nodes(40))]


class BoundsTests:
    """Counts that one request may have."""

    @pytest.mark.parametrize(
        ("key", "least", "messages", "fields"),
        [
            ("max_messages", 3, [user("a"), assistant("b"), user("c")], {}),
            ("max_blocks", 2, [user(text("a"), text("b")), assistant("c"), user("d")], {}),
            ("max_blocks", 5, [assistant(use("t")), user(result("t", [text("a"), text("b"), text("")]))], {}),
            ("max_blocks", 9, [user(text("a"), {"type": "novel"}, {"type": "novel"})], {}),
            ("max_tools", 2, [user("a")], {"tools": [tool("f"), tool("g")]}),
            ("max_schema_nodes", 70, [user("a")], {"tools": SCHEMAS}),
            ("max_images", 3, [user(IMAGE), assistant(use("t")), user(result("t", [IMAGE]), IMAGE)], {}),
        ],
    )  # fmt: skip
    def test_each(self, key: str, least: int, messages: list[Any], fields: dict[str, Any]) -> None:
        """What just fits is read; one more is refused with the limit and the name of its option."""
        whole = body(*messages, **fields)
        reading_of(parsing.decode(whole, bounds=RequestLimits(**{key: least}))).read_all()
        with pytest.raises(InvalidRequest) as refused:
            reading_of(parsing.decode(whole, bounds=RequestLimits(**{key: least - 1}))).read_all()

        assert refused.value.status == 400
        assert f"at most {least - 1} " in str(refused.value)
        assert f"({key} in [limits])" in str(refused.value)

    def test_small_body_is_not_searched(self) -> None:
        """A body too small for so many nodes is not looked through: braces in a description are no nodes then."""
        whole = body(user("a"), tools=[tool("f", description="{" * 50)])
        assert parsing.decode(whole, bounds=RequestLimits(max_schema_nodes=len(whole)))

    def test_far_above_a_real_session(self) -> None:
        """A conversation of a thousand turns with a hundred tools is within the defaults."""
        turns = [
            message for number in range(1000) for message in (assistant(use(f"t{number}")), user(result(f"t{number}")))
        ]
        assert reading_of(parsing.decode(body(user("a"), *turns, tools=[tool(f"f{n}") for n in range(100)]))).read_all()

    def test_one_request_is_small_work(self) -> None:
        """The defaults bound the work: what they let through is far less than a body of the largest size could hold."""
        bounds = RequestLimits()
        assert max(bounds.max_messages, bounds.max_blocks, bounds.max_tools) * len(json.dumps(text("x"))) < 2 << 20
