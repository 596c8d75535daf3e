"""Promises of a prompt's length: checked before it is sent, compared with the truth after."""

from __future__ import annotations

import json

import pytest

from claude_bridge.core.errors import ContextOverflow
from claude_bridge.core.events import Usage
from claude_bridge.core.facts import facts
from claude_bridge.core.request import decode
from claude_bridge.core.target import Target
from claude_bridge.services.dispatch.prompt import Prompt
from claude_bridge.services.learned import Learned
from claude_bridge.services.windows import WindowWarnings
from tests.services.dispatch.stage import DOCUMENT, asking

SMALL = Target(model="m", context_window=2000, truncates=True)
WORDS = "The quick brown fox jumps over the lazy dog. "


def prompt(text: str, learned: Learned | None = None, **more: object) -> Prompt:
    """Make the prompt of a question."""
    body = json.dumps(asking(messages=[{"role": "user", "content": text}], **more)).encode()
    asked = decode(body)
    return Prompt(
        request=asked,
        facts=facts(asked, {}, len(body)),
        learned=learned or Learned(),
        windows=WindowWarnings(),
    )


class PromptTests:
    """One request's prompt."""

    def test_fits(self) -> None:
        """A prompt that fits passes."""
        prompt(WORDS).check("b", SMALL)

    def test_too_long(self) -> None:
        """One that a server would cut without a word is refused with both numbers."""
        with pytest.raises(ContextOverflow, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
            prompt(WORDS * 1000).check("b", SMALL)

    def test_server_says_so_itself(self) -> None:
        """Where nothing is known but an estimate, a server that can refuse is left to do it."""
        prompt(WORDS * 1000).check("b", Target(model="m", context_window=2000))

    def test_learns(self) -> None:
        """The true length corrects the next estimate for the same model, and for no other."""
        learned = Learned()
        before = prompt(WORDS * 1000, learned).estimate("b", SMALL)
        target = Target(model="m")
        prompt(WORDS * 1000, learned).counted("b", target, Usage(before // 2 + 1000))
        assert prompt(WORDS * 1000, learned).estimate("b", target) < before
        assert prompt(WORDS * 1000, learned).estimate("other", target) == before

    def test_documents(self) -> None:
        """Documents are wanted as text once, and only where the model takes no files."""
        body = json.dumps(asking(messages=[{"role": "user", "content": [DOCUMENT]}])).encode()
        asked = decode(body)
        made = Prompt(request=asked, facts=facts(asked, {}, len(body)), learned=Learned(), windows=WindowWarnings())
        assert made.unread(Target(model="m", pdf="file")) == []
        (data,) = made.unread(Target(model="m"))
        made.texts[data] = "text"
        assert made.unread(Target(model="m")) == []
