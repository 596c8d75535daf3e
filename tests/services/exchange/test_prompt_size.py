"""Promises of a prompt's length: checked before it is sent, compared with the truth after."""

from __future__ import annotations

import json
import time
from base64 import b64encode

import pytest
from twisted.internet.task import Clock

from claude_bridge.core.anthropic_backend.target import MessagesTarget
from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.core.errors import ContextOverflow
from claude_bridge.core.events import Usage
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.parsing import decode
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.core.tokens.request_count import MAX_BYTES_AT_ONCE
from claude_bridge.services.exchange.prompt_size import PromptSize
from claude_bridge.services.knowledge.profiles import ModelProfile, ModelProfiles
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.pace import HUGE, Pace
from tests.services.exchange.stage import DOCUMENT, asking

SMALL = ChatTarget(model="m", context_window=2000, truncates=True)
WORDS = "The quick brown fox jumps over the lazy dog. "


def prompt(text: object, profiles: ModelProfiles | None = None, **more: object) -> PromptSize:
    """Make the prompt of a question."""
    body = json.dumps(asking(messages=[{"role": "user", "content": text}], **more)).encode()
    asked = decode(body)
    return PromptSize(
        request=asked,
        info=request_info(asked, {}, len(body)),
        profiles=profiles or ModelProfiles(time.time),
        windows=WindowWarnings(time.monotonic),
        pace=Pace(Clock()),
    )


class PromptTests:
    """One request's prompt."""

    def test_fits(self) -> None:
        """A prompt that fits passes; its estimate is corrected by what is known of the model."""
        made = prompt(WORDS)
        assert made.check("b", SMALL, ModelProfile(ratio=1.5)) == int(made.estimate("b", SMALL) * 1.5) > 0

    def test_too_long(self) -> None:
        """One that a server would cut without a word is refused with both numbers."""
        with pytest.raises(ContextOverflow, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
            prompt(WORDS * 1000).check("b", SMALL, ModelProfile())

    def test_server_says_so_itself(self) -> None:
        """Where nothing is known but an estimate, a server that can refuse is left to do it."""
        prompt(WORDS * 1000).check("b", ChatTarget(model="m", context_window=2000), ModelProfile())

    def test_learns(self) -> None:
        """The true length corrects the next estimate for the same model, and for no other."""
        profiles = ModelProfiles(time.time)
        before = prompt(WORDS * 1000, profiles).estimate("b", SMALL)
        target = ChatTarget(model="m")
        prompt(WORDS * 1000, profiles).learn("b", target, Usage(before // 2 + 1000))
        assert prompt(WORDS * 1000, profiles).estimate("b", target) < before
        assert prompt(WORDS * 1000, profiles).estimate("other", target) == before

    def test_huge_prompt_is_guessed(self) -> None:
        """A prompt of many MB is not counted while its sender waits, but refused all the same."""
        with pytest.raises(ContextOverflow, match=r"prompt is too long: \d{6} tokens > \d+ maximum"):
            prompt(WORDS * (MAX_BYTES_AT_ONCE // len(WORDS) + 1)).check("b", SMALL, ModelProfile())

    @pytest.mark.parametrize("more", [(), ({"no": "type"},)])
    def test_images_that_are_passed_on(self, more: tuple[object, ...]) -> None:
        """A screenshot is some thousand tokens for every kind of backend, unless the bridge cannot read the request."""
        source = {"type": "base64", "media_type": "image/png", "data": "A" * 2 * MAX_BYTES_AT_ONCE}
        made = prompt([{"type": "image", "source": source}, *more])
        target = MessagesTarget(model="m", context_window=200_000)
        assert (made.estimate("b", target) < 10_000) == (not more)
        if not more:
            made.check("b", target, ModelProfile(), is_only=False)

    def test_documents(self) -> None:
        """Documents are wanted as text once, and only where the model takes no files."""
        made = prompt([DOCUMENT])
        assert made.pending_documents(ChatTarget(model="m", pdf="file")) == []
        (data,) = made.pending_documents(ChatTarget(model="m"))
        made.add_texts({data: "text"})
        assert made.pending_documents(ChatTarget(model="m")) == []


class DocumentTests:
    """A prompt with a PDF."""

    def test_is_as_long_as_its_text(self) -> None:
        """Where it is sent as text, its text counts and not its pages; elsewhere the pages do."""
        data = b64encode(b"%PDF-1.7" + b"/Type/Page " * 300).decode()
        source = {"type": "base64", "media_type": "application/pdf", "data": data}
        made = prompt([{"type": "document", "source": source}])
        reading, taking = ChatTarget(model="m"), ChatTarget(model="m", pdf="file")
        assert made.pending_documents(reading) == [data]
        made.add_texts({data: WORDS * 100})
        assert made.pending_documents(reading) == []
        assert 800 < made.estimate("b", reading) < 1300
        assert made.estimate("b", taking) > 300 * 1500
        made.learn("b", reading, Usage(input_tokens=1100))
        assert made.estimate("b", reading) == pytest.approx(1100, rel=0.01)


class WorkTests:
    """What must be done to a request before it is sent."""

    def test_once_for_each_level(self) -> None:
        """The schemas of tools are worked on once for each level that a model needs."""
        made = prompt("hi", tools=[{"name": "t", "input_schema": {"type": "object"}}])
        asked = AskedRequest(decode(json.dumps(asking()).encode()))
        bare, strict = ChatTarget(model="m", schema="bare"), ChatTarget(model="n", schema="gemini")
        assert made.pending_work(ChatTarget(model="m"), asked) is None
        for target in (bare, strict):
            assert made.pending_work(target, asked) is not None
            assert made.pending_work(target, asked) is None

    def test_huge(self) -> None:
        """A huge request is known as such."""
        assert (prompt("x" * HUGE).is_huge, prompt("x").is_huge) == (True, False)
