"""Tests for `claude_bridge.core.messages_api.request_info`: what is known of a request before anybody is asked."""

from __future__ import annotations

import json

import pytest

from claude_bridge.core.messages_api.request_info import RequestInfo, request_info
from claude_bridge.core.model_names import MARK, strip_mark
from tests.core.asking import asked, user

USER_ID = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "s-1"})


class FactsTests:
    """Facts for routing, records and logs."""

    def test_claude_code(self) -> None:
        """Claude Code tells its session, its subagent and the kind of its request in headers."""
        headers = {
            "x-claude-code-session-id": "s-2",
            "x-claude-code-agent-id": "a-1",
            "x-claude-code-agent-type": "general-purpose",
            "x-claude-code-parent-agent-id": "a-0",
            "x-claude-code-request-class": "auxiliary",
        }
        request = asked(user("hi"), model="m@claude-bridge", stream=True, metadata={"user_id": USER_ID})
        assert request_info(request, headers, 3600) == RequestInfo(
            model="m@claude-bridge",
            session="s-2",
            agent="a-1",
            kind="auxiliary",
            streamed=True,
            body_bytes=3600,
            agent_type="general-purpose",
            parent="a-0",
        )

    def test_without_headers(self) -> None:
        """The session stands in the metadata too; a subagent that says no kind is one."""
        known = request_info(asked(user("hi"), metadata={"user_id": USER_ID}), {"x-claude-code-agent-id": "a"}, 0)
        assert (known.session, known.kind, known.streamed) == ("s-1", "subagent", False)
        assert request_info(asked(user("hi")), {}, 0).kind == ""

    @pytest.mark.parametrize(
        "metadata", [None, {}, {"user_id": None}, {"user_id": "someone"}, {"user_id": "{broken"}, {"user_id": "{}"},
                     {"user_id": '{"session_id": 5}'}, {"user_id": '{"session_id":"s","x":"' + "x" * 5000 + '"}'}],
    )  # fmt: skip
    def test_no_session(self, metadata: object) -> None:
        """A client that tells no session has none."""
        assert request_info(asked(user("hi"), metadata=metadata), {}, 0).session == ""

    def test_tame(self) -> None:
        """What a client says of itself is cut and cleaned: it goes into every log line."""
        known = request_info(asked(user("hi")), {"x-claude-code-session-id": "a\nb\x1b[31m" + "x" * 500}, 0)
        assert known.session.startswith("ab[31mxxx")
        assert len(known.session) <= 128


class PlainModelTests:
    """Published ids."""

    @pytest.mark.parametrize(
        ("given", "expected"), [(f"a/b{MARK}", "a/b"), ("a/b", "a/b"), (f"{MARK}x", f"{MARK}x"), ("", "")]
    )
    def test_mark(self, given: str, expected: str) -> None:
        """The mark that makes Claude Code list a model is taken off again."""
        assert strip_mark(given) == expected
