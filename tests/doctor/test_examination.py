"""Promises of an examination."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.doctor.examination import Check, Examination, examine
from claude_bridge.doctor.finding import Finding
from claude_bridge.doctor.services import make_services
from claude_bridge.testing.chat import error
from tests.doctor.stand_ins import examined, served, sometimes, wrong
from tests.services.exchange.stage import configured

KEY = "sk-a-key-of-the-owner-1234567890"


async def examination(reactor: Any, told: list[Finding], kind: str = "openai") -> Examination:
    """Return the examination of a backend that is never asked."""
    config = configured(f"[backend:tower]\nurl = http://127.0.0.1:1/v1\nkind = {kind}\napi_key = {KEY}")
    services = make_services(config, reactor)
    made = await services.examination(services.config.backends["tower"], None, told=told.append)
    await services.close()
    return made


class ExamineTests:
    """Checks are made in order."""

    @pytest_twisted.ensureDeferred
    async def test_until_the_last(self, reactor: Any) -> None:
        """What makes no sense after a fault is left out, not failed."""
        told: list[Finding] = []

        async def good(each: Examination) -> None:
            each.ok("it is so")

        async def last(each: Examination) -> None:
            each.fault("it is not", section="backend:tower", option="url = x", last=True)

        made = await examination(reactor, told)
        checks = [Check(number=number, name=str(number), run=run) for number, run in enumerate((good, last, good))]
        await examine(made, checks)
        assert [(each.number, each.level) for each in told] == [(0, "ok"), (1, "fault")]
        assert told == made.findings

    @pytest_twisted.ensureDeferred
    async def test_secrets(self, reactor: Any) -> None:
        """A key is hidden wherever it stands, and a sentence is one line."""
        made = await examination(reactor, [])
        made.warn(f"the server said {KEY}\nand more", option=f"api_key = {KEY}")
        assert made.findings[0].sentence == "the server said *** and more"
        assert made.findings[0].option == "api_key = ***"
        assert KEY not in repr(made.findings)

    @pytest_twisted.ensureDeferred
    async def test_options_of_the_kind(self, reactor: Any) -> None:
        """No option is proposed that the backend's kind does not have, or that nobody can set."""
        made = await examination(reactor, [], kind="responses")
        assert made.knows("tool_choice")
        assert not made.knows("recover_tool_calls")
        made._tell_learned({"prompt_cache_key": False, "images": "refuse"})
        assert [each.option for each in made.findings] == ["images = refuse"]

    @pytest_twisted.ensureDeferred
    async def test_rate_limit(self, reactor: Any) -> None:
        """A short limit is waited for; a second one ends the examination, and is no fault of the model's."""
        limit = error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, [("retry-after", "0.01")])
        async with served(reactor) as server:
            server.enqueue(limit)
            once = await examined(reactor, server.url)
        async with served(reactor, lambda _: limit) as server:
            always = await examined(reactor, server.url)
        assert wrong(once) == []
        assert wrong(always) == [(8, "warning")]
        assert "slow down: the rest was not examined" in always[-1].sentence

    @pytest_twisted.ensureDeferred
    async def test_what_was_learned(self, reactor: Any) -> None:
        """What one check has learned of a refusal the next ones need not learn again."""
        refusal = error(400, {"message": "Unsupported parameter: 'stream_options' is not supported"})
        async with served(reactor, sometimes(lambda body: "stream_options" in body, refusal)) as server:
            findings = await examined(reactor, server.url)
            refused = [chat for chat in server.chats if "stream_options" in chat.json]
        assert len(refused) == 1
        assert wrong(findings) == [(17, "warning")]
        assert [each.option for each in findings if each.option] == ["stream_options = none"]
