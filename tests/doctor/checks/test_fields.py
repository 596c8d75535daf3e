"""Promises of the checks of thinking, long answers, schemas and pictures."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.doctor.checks import order
from claude_bridge.doctor.finding import Finding
from claude_bridge.testing.chat import chat_stream, error, sse
from claude_bridge.testing.friendly import Friendly
from tests.doctor.stand_ins import StandIn, entry, examined, first, of, served, sometimes, wrong


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


SCHEMA = "Invalid schema for function 'edit_file': not supported"


def schemas(body: dict[str, Any]) -> str:
    """Return the schemas of a request's tools as text."""
    return str([tool["function"]["parameters"] for tool in body.get("tools") or ()])


class SchemaTests:
    """Tools have wild schemas."""

    @pytest_twisted.ensureDeferred
    async def test_taken(self, reactor: Any) -> None:
        """A server that takes what real tools have is a good one, and is asked for it once."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url)
            assert sum("edit_file" in str(chat.json) for chat in server.chats) == 1
        assert wrong(findings) == []
        assert of(findings, 14).sentence == "nested anyOf, $ref, format and pattern in a tool's schema are accepted"

    @pytest.mark.parametrize(
        ("word", "named", "level"),
        [
            ("$schema", "nested anyOf, $ref, format, pattern", "basic"),
            ("anyOf", "nested anyOf", "bare"),
            ("$ref", "$ref", "bare"),
        ],
    )
    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any, word: str, named: str, level: str) -> None:
        """What of a schema is refused is named, with the largest part that is taken instead."""
        script = sometimes(lambda body: f"'{word}'" in schemas(body), error(400, {"message": SCHEMA}))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(14, "warning")]
        assert first(findings).sentence.startswith(f"refused in a tool's schema: {named}; set `schema = {level}`")
        assert (first(findings).subject, first(findings).option) == ("model:test-model", f"schema = {level}")

    @pytest_twisted.ensureDeferred
    async def test_words_that_teach_nothing(self, reactor: Any) -> None:
        """Where the bridge would not learn it, nothing works without the line."""
        script = sometimes(lambda body: "$defs" in schemas(body), error(400, {"message": "no"}))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(14, "fault")]
        assert first(findings).sentence.startswith("refused in a tool's schema: $ref (")
        assert first(findings).option == "schema = bare"

    @pytest_twisted.ensureDeferred
    async def test_hopeless(self, reactor: Any) -> None:
        """A server that refuses the tool whatever its schema is broken, and no line helps."""
        script = sometimes(lambda body: "edit_file" in str(body.get("tools")), error(400, {"message": "no"}))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(14, "fault")]
        assert first(findings).option == ""


class ManyToolsTests:
    """Claude Code offers some forty tools."""

    async def looked(self, reactor: Any, server: StandIn, **how: Any) -> list[Finding]:
        """Return what is found, without the long prompts."""
        checks = [check for check in order.chosen(quick=False) if check.number in {1, 2, 3, 4, 6, 14}]
        return await examined(reactor, server.url, checks=checks, **how)

    @pytest_twisted.ensureDeferred
    async def test_taken(self, reactor: Any) -> None:
        """A server that takes them is a good one."""
        async with served(reactor) as server:
            findings = await self.looked(reactor, server)
        assert wrong(findings) == []
        assert of(findings, 14).sentence == "40 tools of 60 KB are accepted"

    @pytest_twisted.ensureDeferred
    async def test_too_many(self, reactor: Any) -> None:
        """A limit is told, with what to do."""
        refusal = error(400, {"message": "too many tools: the limit is 32"})
        script = sometimes(lambda body: len(body.get("tools") or ()) > 32, refusal)
        async with served(reactor, script) as server:
            findings = await self.looked(reactor, server)
        assert wrong(findings) == [(14, "warning")]
        assert "too many tools: the limit is 32. Connect fewer MCP servers" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_grammar(self, reactor: Any) -> None:
        """Schemas that are too much only together have a line to write."""
        refusal = error(400, {"message": "Failed to compile json schema to a grammar"})
        script = sometimes(lambda body: len(body.get("tools") or ()) > 32 and "anyOf" in schemas(body), refusal)
        async with served(reactor, script) as server:
            findings = await self.looked(reactor, server)
        assert wrong(findings) == [(14, "warning")]
        assert first(findings).option == "schema = bare"

    @pytest_twisted.ensureDeferred
    async def test_small_window(self, reactor: Any) -> None:
        """What cannot fit is not sent, and no fault of the schemas."""
        async with served(reactor, listed=[entry(context_length=8192)]) as server:
            findings = await self.looked(reactor, server)
            assert not any(len(chat.json.get("tools") or ()) > 1 for chat in server.chats)
        assert wrong(findings) == [(6, "fault")]


class ImageTests:
    """Not every model sees."""

    @pytest_twisted.ensureDeferred
    async def test_taken(self, reactor: Any) -> None:
        """That a picture is taken is told apart from that it was seen."""
        sees = sometimes(shows, sse(chat_stream(text="It is Red.")))
        async with served(reactor, sees) as server:
            seen = await examined(reactor, server.url)
        async with served(reactor) as server:
            taken = await examined(reactor, server.url)
        assert wrong(seen) == wrong(taken) == []
        assert of(seen, 15).sentence == "pictures are accepted (`images = yes`)"
        assert of(taken, 15).sentence.endswith("whether this one was seen is not clear")

    @pytest.mark.parametrize("told", ["This model does not support image input", "no"])
    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any, told: str) -> None:
        """A model without eyes is a good one; the line saves an attempt, or makes up for words that say too little."""
        async with served(reactor, sometimes(shows, error(400, {"message": told}))) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []
        assert of(findings, 15).option == "images = refuse"

    @pytest_twisted.ensureDeferred
    async def test_configured(self, reactor: Any) -> None:
        """What is configured is not tried."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, more="[model:m]\nname = test-model\nimages = refuse")
            assert not any("image_url" in str(chat.json) for chat in server.chats)
        assert of(findings, 15).sentence == "images are not sent (`images = refuse`)"


class PdfTests:
    """Few servers read PDF; for the others the bridge does."""

    MODEL = "[model:m]\nname = test-model\npdf = {}"
    CHECKS = tuple(check for check in order.chosen(quick=False) if check.number in {1, 2, 4, 15})

    async def looked(self, reactor: Any, script: Any = None, more: str = "") -> Finding:
        """Return what is found of the PDF; nothing else may be wrong."""
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url, more=more, checks=self.CHECKS)
        assert {number for number, _ in wrong(findings)} <= {15}
        return of(findings, 15)

    @pytest_twisted.ensureDeferred
    async def test_text(self, reactor: Any) -> None:
        """A server that refuses files, or does not read them, gets the text as before."""
        for script in (None, sometimes(has_file, error(400, {"message": "unknown content type: file"}))):
            found = await self.looked(reactor, script)
            assert (found.level, found.sentence) == ("ok", "the bridge sends the text of a PDF (`pdf = text`)")

    @pytest_twisted.ensureDeferred
    async def test_file(self, reactor: Any) -> None:
        """That a server reads PDF is told, with the option."""
        found = await self.looked(reactor, sometimes(has_file, sse(chat_stream(text="Marigold"))))
        assert found.level == "ok"
        assert "`pdf = file` would send it as it is" in found.sentence

    @pytest_twisted.ensureDeferred
    async def test_configured_and_refused(self, reactor: Any) -> None:
        """A server that is configured to read PDF and does not has a line to write."""
        refuses = sometimes(has_file, error(400, {"message": "unknown content type: file"}))
        found = await self.looked(reactor, refuses, self.MODEL.format("file"))
        assert (found.level, found.option) == ("warning", "pdf = text")
        good = await self.looked(reactor, None, self.MODEL.format("file"))
        assert good.sentence.startswith("a PDF is accepted as a file")

    @pytest_twisted.ensureDeferred
    async def test_none(self, reactor: Any) -> None:
        """What is not sent is not tried."""
        found = await self.looked(reactor, None, self.MODEL.format("refuse"))
        assert found.sentence == "PDF documents are not sent (`pdf = refuse`)"


def shows(body: dict[str, Any]) -> bool:
    """Whether a request has a picture."""
    return "image_url" in str(body["messages"])


def has_file(body: dict[str, Any]) -> bool:
    """Whether a request has a file."""
    return "file_data" in str(body["messages"])
