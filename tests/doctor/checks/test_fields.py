"""Promises of the checks of thinking, long answers, schemas and pictures."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.testing.chat import chat_stream, error, sse
from claude_bridge.testing.friendly import Friendly
from tests.doctor.stand_ins import examined, first, of, served, sometimes, wrong


def thinks(body: dict[str, Any]) -> bool:
    """Whether it is the question of the check of thinking."""
    return "17 + 25" in str(body["messages"])


class ThinkingTests:
    """Thinking is kept apart from the answer."""

    @pytest_twisted.ensureDeferred
    async def test_apart(self, reactor: Any) -> None:
        """A server that tells thinking from text is a good one."""
        async with served(reactor, Friendly(reasoning="always")) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []
        assert of(findings, 12).sentence == "comes apart from the text, and cannot be switched off"

    @pytest_twisted.ensureDeferred
    async def test_tags(self, reactor: Any) -> None:
        """Tags in the text are separated by the bridge."""
        script = sometimes(thinks, sse(chat_stream(text="<think>Easy.</think>42")))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []
        assert "which the bridge separates" in of(findings, 12).sentence

    @pytest_twisted.ensureDeferred
    async def test_opened_by_the_template(self, reactor: Any) -> None:
        """An end without a beginning means that the template has begun."""
        script = sometimes(thinks, sse(chat_stream(text="Easy.</think>42")))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(12, "warning")]
        assert first(findings).option == "thinking_opened = yes"

    @pytest_twisted.ensureDeferred
    async def test_nothing_but_thinking(self, reactor: Any) -> None:
        """An answer that is all thinking is lost."""
        script = sometimes(thinks, sse(chat_stream(reasoning="17 + 25 is 42.")))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(12, "warning")]
        assert "reasoning parser is wrong" in first(findings).sentence


class MaxTokensTests:
    """Claude Code asks for long answers."""

    @pytest_twisted.ensureDeferred
    async def test_limit(self, reactor: Any) -> None:
        """The limit that a refusal names is the line to write."""
        refusal = error(
            400, {"message": "max_tokens is too large: 32000. This model supports at most 8192 completion tokens"}
        )
        async with served(reactor, sometimes(lambda body: body.get("max_tokens", 0) > 8192, refusal)) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(13, "warning")]
        assert first(findings).option == "max_output_tokens = 8192"


class SchemaTests:
    """Tools have wild schemas."""

    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any) -> None:
        """What is taken instead is the line to write."""
        refusal = error(400, {"message": "Invalid schema for function 'edit_file': anyOf is not supported"})
        script = sometimes(lambda body: "$defs" in str(body.get("tools")), refusal)
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(14, "warning")]
        assert first(findings).option == "schema = bare"


class ImageTests:
    """Not every model sees."""

    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any) -> None:
        """A model without eyes is a good one; the line saves an attempt."""
        refusal = error(400, {"message": "This model does not support image input"})
        script = sometimes(lambda body: "image_url" in str(body["messages"]), refusal)
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []
        assert of(findings, 15).option == "images = refuse"

    @pytest_twisted.ensureDeferred
    async def test_configured(self, reactor: Any) -> None:
        """What is configured is not tried."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, more="[model:m]\nname = test-model\nimages = refuse")
            assert not any("image_url" in str(chat.json) for chat in server.chats)
        assert of(findings, 15).sentence == "images are not sent, as configured"
