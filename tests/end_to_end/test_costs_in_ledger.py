"""Prices and accounts together."""

from __future__ import annotations

import json
from typing import Any

import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.test_ledger import AGENT, ANSWER, MAIN, ask, file_of, requests_in, usage


class CostTests:
    """What sessions cost."""

    @pytest_twisted.ensureDeferred
    async def test_cost_of_a_session(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """A price of the file is what each attempt costs; the session is the sum of its agents, to the pico-dollar."""
        daemon = await start_daemon(
            {
                "model:m": {"backend": "scripted", "name": "test-model"},
                "price:m": {"input": "0.30", "output": "1.10"},
            }
        )
        backend.enqueue(ANSWER, ANSWER, ANSWER)
        for headers in (MAIN, AGENT, MAIN):
            assert await ask(client_of(reactor, daemon), dict(headers)) == 200
        await requests_in(reactor, file_of(daemon), 3)
        each = (1200 * 300_000 + 34 * 1_100_000) / 1e12
        document = json.loads(await usage(reactor, daemon, "session", MAIN["x-claude-code-session-id"], "--json"))
        assert [agent["cost_usd"] for agent in document["agents"]] == [2 * each, each]
        assert (document["total"]["cost_usd"], document["total"]["unpriced_attempts"]) == (3 * each, 0)
        lines = (await usage(reactor, daemon, "export")).splitlines()
        assert {json.loads(line)["price_from"] for line in lines} == {"configuration"}
