"""Random runs against every dialect and kind: no token is counted twice or lost, each sum is that of its attempts."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field

from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.services.accounting.store.sqlite import open_to_read
from claude_bridge.testing import messages
from claude_bridge.testing.answers import Answer, Cut, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, error, sse, token_usage
from claude_bridge.testing.messages_backend import MessagesBackend
from claude_bridge.testing.received import Received
from claude_bridge.testing.responses import response_stream, response_usage
from claude_bridge.testing.responses_backend import ResponsesBackend
from tests.end_to_end.asking import STREAMED
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.test_ledger import ask, file_of, requests_in, usage
from tests.services.accounting.store.books import assert_periods_add_up, assert_sessions_add_up, rows

KINDS = ("anthropic", "responses")
MODELS = {"anthropic": "claude-opus-5-5", "responses": "gpt-5.6"}
PRICE = {"input": 300_000, "cache_read": 60_000, "cache_write": 375_000, "output": 1_100_000}
"""Pico-dollars a token."""

REQUESTS = 40
TEXT = "One two three, four five six."


@define(eq=False)
class Counting:
    """Backends that count at random, and fail at random.

    :ivar told: the whole prompt, what of it was read from a cache and written into one, and the output, of each answer.
    """

    random: random.Random
    told: list[tuple[int, int, int, int]] = field(factory=list)

    def fails(self) -> Answer | None:
        """Return a refusal, sometimes."""
        return error(400, {"message": "no"}) if self.random.random() < 0.15 else None

    def counts(self) -> tuple[int, int, int, int]:
        """Return the counts of the next answer."""
        read, written = self.random.choice((0, self.random.randrange(90_000))), self.random.choice((0, 5_000))
        self.told.append((read + written + self.random.randrange(1, 9_000), read, written, self.random.randrange(900)))
        return self.told[-1]

    def chat(self, _: Received) -> Answer:
        """Answer a chat, in one of the forms that servers have for cached tokens; or cut the answer."""
        prompt, read, written, output = self.counts()
        counts = token_usage(prompt, output, cached=read)
        counts["prompt_tokens_details"]["cache_write_tokens"] = written
        counts |= self.random.choice(({}, {"prompt_cache_hit_tokens": read}, {"cached_tokens": read}))
        return self.maybe(chat_stream(text=TEXT, usage=counts))

    def responses(self, _: Received) -> Answer:
        """Answer a request of the Responses API."""
        prompt, read, written, output = self.counts()
        counts = response_usage(prompt, output, cached=read, written=written)
        return self.maybe(response_stream(text=TEXT, usage=counts, model=MODELS["responses"]))

    def messages(self, _: Received) -> Answer:
        """Answer a request of Anthropic's API, whose counts are apart from each other."""
        prompt, read, written, output = self.counts()
        counts = {
            "input_tokens": prompt - read - written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "output_tokens": 1,
        }
        block = {"type": "text", "text": TEXT}
        return self.maybe(messages.message_stream(block, model=MODELS["anthropic"], usage=counts, output_tokens=output))

    def maybe(self, stream: tuple[bytes, ...]) -> Answer:
        """Return the answer, or a refusal, or the beginning of the answer."""
        refusal, cut = self.fails(), self.random.random() < 0.1
        if refusal is not None or cut:
            self.told.pop()
        if refusal is not None:
            return refusal
        return Answer(200, STREAM_HEADERS, (*map(Send, stream[:3]), Cut())) if cut else sse(stream)


@define(eq=False)
class House:
    """A backend of each kind."""

    backends: dict[str, Any]
    counting: Counting

    def sections(self) -> dict[str, dict[str, str]]:
        """Return a backend, a model and a price for each dialect and kind."""
        found = {}
        for name in self.names():
            kind = name if name in KINDS else "openai"
            dialect = {} if name in KINDS else {"dialect": name}
            found[f"backend:at-{name}"] = {"kind": kind, "url": self.backends[kind].url, **dialect}
            found[f"model:{name}"] = {"backend": f"at-{name}", "name": MODELS.get(name, "test-model")}
            found[f"price:{name}"] = {what: f"{rate / 1e6:g}" for what, rate in PRICE.items()}
        return found

    def names(self) -> Iterator[str]:
        """Yield the names of all models."""
        yield from DIALECTS
        yield from KINDS


@pytest_twisted.async_yield_fixture()
async def house(reactor: Any, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Yield the backends, which count by the seed that the test has."""
    counting = Counting(random.Random(request.getfixturevalue("seed")))  # noqa: S311 - nothing is kept secret by it
    made: dict[str, Any] = {
        "openai": ScriptedBackend(reactor, counting.chat),
        "responses": ResponsesBackend(reactor, counting.responses, models=[MODELS["responses"]]),
        "anthropic": MessagesBackend(reactor, counting.messages, models=[MODELS["anthropic"]]),
    }
    for each in made.values():
        each.start()
    yield House(made, counting)
    for each in made.values():
        await each.stop()


class IdentityTests:
    """What is in the ledger after many requests."""

    @pytest.mark.parametrize("seed", range(3))
    @pytest_twisted.ensureDeferred
    async def test_random_run(self, seed: int, reactor: Any, start_daemon: StartDaemon, house: House) -> None:
        """Input and cached parts are the backend's own prompt tokens, and cost what the price says, to the last one.

        Sessions and agents, hours and days are the sums of the attempts, failed ones included.
        """
        draw = random.Random(seed)  # noqa: S311 - as above
        daemon = await start_daemon({**house.sections(), "route:default": {"models": "generic", "patience": "0"}})
        client = Client(reactor, daemon.url, {"x-api-key": "test-key", "anthropic-version": "2023-06-01"})
        names = list(house.names())
        asked = [*names, *draw.choices(names, k=max(0, REQUESTS - len(names)))]
        for name in asked:
            headers: dict[str, str | None] = {"x-claude-code-session-id": f"session-{draw.randrange(3)}"}
            if draw.random() < 0.5:
                headers["x-claude-code-agent-id"] = f"agent-{draw.randrange(2)}"
            await ask(client, headers, {**STREAMED, "model": name, "stream": True})
        await requests_in(reactor, file_of(daemon), len(asked))

        connection = open_to_read(str(file_of(daemon)))
        assert_sessions_add_up(connection)
        assert_periods_add_up(connection)
        counted = rows(
            connection,
            "SELECT input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, cost_pico_usd FROM attempts "
            "WHERE outcome = 'ok' ORDER BY request, number",
        )
        failed = rows(connection, "SELECT count(*) FROM attempts WHERE outcome <> 'ok'")
        connection.close()
        assert failed > [(0,)]
        assert [(sum(tokens), output) for *tokens, output, _ in counted] == [
            (prompt, output) for prompt, _, _, output in house.counting.told
        ]
        for given, read, written, output, cost in counted:
            parts = zip((given, read, written, output), PRICE.values(), strict=True)
            assert cost == sum(tokens * rate for tokens, rate in parts)

        exported = [json.loads(line) for line in (await usage(reactor, daemon, "export")).splitlines()]
        for session in {line["session"] for line in exported}:
            tree = json.loads(await usage(reactor, daemon, "session", session, "--json"))
            own = sum(line["cost_pico_usd"] or 0 for line in exported if line["session"] == session)
            assert tree["total"]["cost_usd"] == pytest.approx(own / 1e12, abs=1e-12)
            assert sum(agent["cost_usd"] or 0 for agent in tree["agents"]) == pytest.approx(own / 1e12, abs=1e-12)
