"""Promises of the check of the key; none is ever shown."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.doctor import questions
from claude_bridge.doctor.checks import order
from claude_bridge.doctor.checks.key import WRONG
from claude_bridge.doctor.finding import Finding
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import error
from claude_bridge.testing.friendly import Friendly
from claude_bridge.testing.received import Received
from tests.doctor.stand_ins import StandIn, examined, first, of, served, wrong

KEY = "sk-a-key-of-the-owner-1234567890"


class KeyTests:
    """Whether the key is taken, and none is ever shown."""

    @pytest_twisted.ensureDeferred
    async def test_accepted(self, reactor: Any, friendly: StandIn) -> None:
        """A good key is a good one."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, f"api_key = {KEY}")
        assert wrong(findings) == []
        assert of(findings, 3).sentence == "the key is accepted, and a wrong one is refused"

    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any, friendly: StandIn) -> None:
        """A wrong key is refused in the server's words, without the key."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, "api_key = sk-another-key-0987654321")
        assert wrong(findings) == [(3, "fault")]
        assert "the key of `api_key` in [backend:tower] is refused" in first(findings).sentence
        assert "another-key" not in str(findings)

    @pytest_twisted.ensureDeferred
    async def test_key_in_the_words(self, reactor: Any) -> None:
        """A server that quotes the key is not quoted with it."""
        refusal = error(401, {"message": f"Incorrect API key provided: {KEY}"})
        async with served(reactor, pages={("GET", "*"): refusal, ("POST", "*"): refusal}) as server:
            findings = await examined(reactor, server.url, f"api_key = {KEY}")
        assert wrong(findings) == [(3, "fault")]
        assert KEY not in str(findings)

    @pytest_twisted.ensureDeferred
    async def test_missing(self, reactor: Any, friendly: StandIn) -> None:
        """Where clients bring no key, one has to be configured."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, more="[server]\ncredentials = none")
        assert wrong(findings) == [(3, "fault")]
        assert first(findings).option == "api_key = ${BACKEND_API_KEY}"

    @pytest_twisted.ensureDeferred
    async def test_one_of_several(self, reactor: Any, friendly: StandIn) -> None:
        """Of several keys the one that is refused is named by its place, as records name it."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, f"api_key =\n    {KEY}\n    sk-another-key-0987654321")
        assert wrong(findings) == [(3, "warning")]
        told = "key tower/2 is refused (401): the second line of `api_key` in [backend:tower]"
        assert first(findings).sentence == told

    @pytest_twisted.ensureDeferred
    async def test_command_without_a_key(self, reactor: Any, friendly: StandIn) -> None:
        """A command that prints no key is what to look at."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, "api_key = command:/bin/false")
        assert wrong(findings) == [(3, "fault")]
        assert "has printed none" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_brought_by_clients(self, reactor: Any, friendly: StandIn) -> None:
        """Where clients bring the key, the doctor needs one to look further, and does with one."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url)
        assert wrong(findings) == [(3, "warning")]
        assert "$ANTHROPIC_AUTH_TOKEN" in first(findings).sentence
        assert wrong(await examined(reactor, friendly.url, client=KEY)) == []

    @pytest_twisted.ensureDeferred
    async def test_chat_alone_is_guarded(self, reactor: Any) -> None:
        """An open list proves nothing about the key."""
        refusal = error(401, {"message": "no"})
        async with served(reactor, pages={("POST", "*"): refusal}) as server:
            findings = await examined(reactor, server.url, f"api_key = {KEY}")
        assert wrong(findings) == [(3, "fault")]
        assert "the list of models is open, chat is not" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_no_credit(self, reactor: Any) -> None:
        """An account without credit is no wrong key."""
        refusal = error(402, {"message": "Insufficient credits"})
        async with served(reactor, pages={("POST", "*"): refusal}) as server:
            findings = await examined(reactor, server.url, f"api_key = {KEY}")
        assert wrong(findings) == [(3, "fault")]
        assert "no credit left" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_quick(self, reactor: Any, friendly: StandIn) -> None:
        """Where nothing may be spent, what is only likely is said as such."""
        none = await examined(reactor, friendly.url)
        one = await examined(reactor, friendly.url, f"api_key = {KEY}")
        assert of(none, 3).sentence == "the server asks for no key"
        assert of(one, 3).sentence.endswith("the server seems to ask for none")
        assert wrong([*none, *one]) == []


BRIEF = [check for check in order.chosen(quick=False) if check.number <= 3]
"""All that may say something of the key."""


async def looked(reactor: Any, server: StandIn, *keys: str, ini: str = "", **how: Any) -> list[Finding]:
    """Return what the whole check of a key says; ``keys``: the one that is configured, if any."""
    lines = "".join(f"api_key = {each}\n" for each in keys)
    return await examined(reactor, server.url, lines + ini, checks=BRIEF, **how)


class TokenTests:
    """Servers that look at the key last are asked for a short answer."""

    @pytest_twisted.ensureDeferred
    async def test_not_needed(self, reactor: Any, friendly: StandIn) -> None:
        """A key that nobody asks for can be left out; one request for a short answer shows it."""
        findings = await looked(reactor, friendly, KEY)
        assert of(findings, 3).sentence == "no key needed: leave `api_key` in [backend:tower] out"
        assert wrong(findings) == []
        assert [chat.json["max_tokens"] for chat in asked(friendly)] == [questions.SHORT]

    @pytest_twisted.ensureDeferred
    async def test_none(self, reactor: Any, friendly: StandIn) -> None:
        """A server that asks for no key is a good one."""
        findings = await looked(reactor, friendly)
        assert of(findings, 3).sentence == "the server asks for no key"
        assert wrong(findings) == []

    @pytest_twisted.ensureDeferred
    async def test_brought(self, reactor: Any, friendly: StandIn) -> None:
        """A client may send any text to a server that asks for no key."""
        findings = await looked(reactor, friendly, client="unused-text")
        assert of(findings, 3).sentence == "no key needed: any text will do in ANTHROPIC_AUTH_TOKEN"

    @pytest_twisted.ensureDeferred
    async def test_accepted(self, reactor: Any, friendly: StandIn) -> None:
        """A good key is accepted, although the server looks at it last."""
        friendly.api_key, friendly.late = KEY, True
        findings = await looked(reactor, friendly, KEY)
        assert wrong(findings) == []
        assert of(findings, 3).sentence == "the key is accepted: the list of models is open, chat is not"
        assert len(asked(friendly)) == 2

    @pytest_twisted.ensureDeferred
    async def test_invalid(self, reactor: Any, friendly: StandIn) -> None:
        """A wrong key is found before a question fails by it."""
        friendly.api_key, friendly.late = KEY, True
        findings = await looked(reactor, friendly, "sk-another-key-0987654321")
        assert wrong(findings) == [(3, "fault")]
        assert "is refused (the list of models is open, chat is not: 401" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_missing(self, reactor: Any, friendly: StandIn) -> None:
        """A key that is needed for chat alone is asked for."""
        friendly.api_key, friendly.late = KEY, True
        findings = await looked(reactor, friendly, more="[server]\ncredentials = none")
        assert wrong(findings) == [(3, "fault")]
        assert first(findings).sentence.startswith("the server asks for a key (the list of models is open, chat is not")

    @pytest.mark.parametrize(
        ("taken", "told"),
        [
            ({KEY}, "the key is accepted, and a wrong one is not"),
            ({KEY, WRONG.reveal()}, "the server asks for a key, and takes any"),
        ],
    )
    @pytest_twisted.ensureDeferred
    async def test_any(self, reactor: Any, taken: set[str], told: str) -> None:
        """A server that at first only looks whether there is a key may take every one, or not."""
        refusal = error(401, {"message": "no"})

        def script(received: Received) -> Answer:
            key = received.headers.get("authorization", "").removeprefix("Bearer ")
            return Friendly()(received) if key in taken else refusal

        async with served(reactor, script) as server:
            server.needs_some_key = True
            findings = await looked(reactor, server, KEY)
        assert wrong(findings) == []
        assert of(findings, 3).sentence == told

    @pytest_twisted.ensureDeferred
    async def test_nothing_is_known(self, reactor: Any) -> None:
        """A server that fails for another reason has proved nothing."""
        async with served(reactor, lambda _: error(500, {"message": "out of memory"})) as server:
            findings = await looked(reactor, server, KEY)
        assert wrong(findings) == []
        assert of(findings, 3).sentence.endswith("the server seems to ask for none")

    @pytest_twisted.ensureDeferred
    async def test_no_model(self, reactor: Any) -> None:
        """Of several models none is asked."""
        async with served(reactor, models=["a", "b"]) as server:
            findings = await looked(reactor, server, KEY)
            assert asked(server) == []
        assert of(findings, 3).sentence.endswith("the server seems to ask for none")


def asked(server: StandIn) -> list[Received]:
    """Return the requests that had messages."""
    return [chat for chat in server.chats if chat.json.get("messages")]
