"""The doctor at the real llama.cpp, with and without tools in the chat template, as somebody at home runs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.utils import getProcessOutputAndValue

from tests.end_to_end.llamacpp import DEMO, TOOLS, serve, start_llama
from tests.end_to_end.peers import Peer

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]


@pytest_twisted.async_yield_fixture(scope="module")
async def plain(reactor: Any) -> AsyncIterator[Peer]:
    """Yield a server with the model's own template, which knows no tools."""
    server = await start_llama(reactor, DEMO)
    yield server
    await server.stop(reactor)


@pytest_twisted.async_yield_fixture(scope="module")
async def with_tools(reactor: Any) -> AsyncIterator[Peer]:
    """Yield a server with a template that has tools."""
    server = await serve(reactor, 4096, TOOLS)
    yield server
    await server.stop(reactor)


async def findings(reactor: Any, server: Peer, home: Path, arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return what `claude-bridge doctor` finds."""
    command = ["-m", "claude_bridge.cli", "doctor", "--url", f"{server.url}/v1", "--json", "--quick", *arguments]
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    out, err, status = await getProcessOutputAndValue(sys.executable, command, env=environ, reactor=reactor)
    assert err.startswith(b"This takes about 3,")
    document = json.loads(out)
    assert document["status"] == status
    (part,) = document["parts"]
    found: list[dict[str, Any]] = part["findings"]
    return found


def of(found: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Return the findings of one check."""
    return [each for each in found if each["number"] == number]


class LlamaCppTests:
    """What a small model on llama.cpp is told."""

    @pytest_twisted.ensureDeferred
    async def test_no_tool_template(self, reactor: Any, plain: Peer, tmp_path: Path) -> None:
        """The template has no tools, which costs no token to find out; the window is too small; the rest is well."""
        found = await findings(reactor, plain, tmp_path)
        wrong = [(each["number"], each["level"]) for each in found if each["level"] != "ok"]
        assert of(found, 5)[0]["sentence"].startswith("llama.cpp ")
        assert "8,192 tokens" in of(found, 6)[-1]["sentence"]
        assert (6, "fault") in wrong
        assert "the chat template of this model does not support tools" in of(found, 9)[0]["sentence"]
        assert {number for number, _ in wrong} <= {6, 9}

    @pytest_twisted.ensureDeferred
    async def test_tool_template(self, reactor: Any, with_tools: Peer, tmp_path: Path) -> None:
        """With a template that has tools, nothing is said of the template; whether the model calls is up to it."""
        found = await findings(reactor, with_tools, tmp_path)
        assert not any("chat template of this model has no tools" in each["sentence"] for each in found)
        assert of(found, 9)
        assert of(found, 11)[0]["level"] == "ok"
        assert of(found, 17)[0]["level"] == "ok"
