"""What requests cost, from the backend's word or the file to the log of the real daemon."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.core.prices import DOLLAR
from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, ToolCall, chat_stream, chunk, error, events, sse, token_usage
from claude_bridge.testing.searxng import FakeSearXNG
from tests.end_to_end.asking import HI, MESSAGES, STREAMED
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.test_web_search import ASKED, RAIN

PRICE = {
    "price:test-model": {"input": "0.30", "cache_read": "0.06", "output": "1.10", "reasoning": "2"},
}
COUNTS = token_usage(1_000, 200, cached=600, reasoning=50)
BY_FILE = 400 * 0.30e-6 + 600 * 0.06e-6 + 150 * 1.10e-6 + 50 * 2e-6
LISTED = {"pricing": {"prompt": "0.000001", "completion": "0.000002", "input_cache_read": "0.0000001"}}
BY_LIST = 400 * 1e-6 + 600 * 0.1e-6 + 200 * 2e-6


async def logged(daemon: Daemon, count: int = 1) -> dict[str, Any]:
    """Return the line of the last of so many requests for an answer."""
    return await daemon.wait_for("request", count=count)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("asked", [HI, STREAMED])
async def test_configured_price(
    reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, asked: dict[str, Any]
) -> None:
    """The price of the file counts each token once, the cached and the reasoned ones too."""
    daemon = await start_daemon(PRICE)
    backend.enqueue(sse(chat_stream(text="Hello", usage={**COUNTS, "cost": 9.0})))
    await client_of(reactor, daemon).post(MESSAGES, asked)
    line = await logged(daemon)
    assert line["cost_usd"] == pytest.approx(BY_FILE, rel=1e-12)
    assert f"  ${BY_FILE:.2g}" in line["message"]
    await daemon.stop()
    (served,) = daemon.events("served")
    assert (served["cost_usd"], served["unpriced"]) == (line["cost_usd"], 0)
    assert served["message"].endswith(f"200 out, ${BY_FILE:.2g}")


@pytest_twisted.ensureDeferred
async def test_cost_in_the_answer(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
    """What the answer says that it cost counts more than the list."""
    backend.model_keys = LISTED
    daemon = await start_daemon()
    details = {"is_byok": False, "cost_details": {"upstream_inference_cost": 0.0042}}
    backend.enqueue(sse(chat_stream(text="Hello", usage={**COUNTS, "cost": 0.0042, **details})))
    await client_of(reactor, daemon).post(MESSAGES, HI)
    line = await logged(daemon)
    assert line["cost_usd"] == 0.0042
    assert "  $0.0042" in line["message"]


@pytest_twisted.ensureDeferred
async def test_failed_answer(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
    """An answer that fails costs what it says that it cost, whether the client has read some of it or nothing."""
    daemon = await start_daemon()
    failed = chunk({}, finish="error", usage={**COUNTS, "cost": 0.0042, "is_byok": False})
    for number, text in enumerate(("Hello", ""), start=1):
        backend.enqueue(sse(events([chunk({"content": text}), failed])))
        await client_of(reactor, daemon).post(MESSAGES, STREAMED)
        assert (await logged(daemon, number))["cost_usd"] == 0.0042


@pytest_twisted.ensureDeferred
async def test_price_in_the_list(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
    """A price in the backend's list is found without a word in the file, and it is said once what was found."""
    backend.model_keys = LISTED
    daemon = await start_daemon({"server": {"check_backends": "yes"}})
    await daemon.wait_for("listed-prices")
    client = client_of(reactor, daemon)
    for _ in range(2):
        backend.enqueue(sse(chat_stream(text="Hello", usage=COUNTS)))
        await client.post(MESSAGES, HI)
    line = await logged(daemon, 2)
    assert line["cost_usd"] == pytest.approx(BY_LIST, rel=1e-12)
    (told,) = daemon.events("listed-prices")
    assert told["message"] == (
        "backend scripted: its list has a price for 1 of 1 models: pricing.prompt in dollars a token"
    )


@pytest_twisted.ensureDeferred
async def test_unknown(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
    """Where nobody knows the price nothing is said of it, and null is logged."""
    daemon = await start_daemon()
    backend.enqueue(sse(chat_stream(text="Hello", usage=COUNTS)))
    await client_of(reactor, daemon).post(MESSAGES, HI)
    line = await logged(daemon)
    assert line["cost_usd"] is None
    assert "$" not in line["message"]


@pytest_twisted.ensureDeferred
async def test_failed_attempt_and_abort(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
    """A refusal costs nothing and hides no cost; what was written for a client that left is priced by our count."""
    daemon = await start_daemon(PRICE)
    client = client_of(reactor, daemon)
    backend.enqueue(error(503, {"message": "busy"}), sse(chat_stream(text="Hello", usage=COUNTS)))
    await client.post(MESSAGES, HI)
    line = await logged(daemon)
    assert (line["attempts"], line["cost_usd"]) == (2, pytest.approx(BY_FILE, rel=1e-12))
    events = chat_stream(text="Hello " * 100, usage=COUNTS)
    backend.enqueue(Answer(200, STREAM_HEADERS, (*map(Send, events[:20]), Pause(15.0))))
    reading = await client.send("POST", MESSAGES, STREAMED)
    for _ in range(4):
        await reading.event()
    reading.leave()
    left = await logged(daemon, 2)
    assert (left["outcome"], left["cost_usd"] > 0) == ("client_left", True)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("fails", [False, True])
async def test_search(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, fails: bool) -> None:
    """Of an answer with a web search each turn of the model is paid once, none of it for a turn that fails.

    The search itself costs nothing here.
    """
    searxng = FakeSearXNG(reactor)
    searxng.finds = lambda _: [RAIN]
    searxng.start()
    try:
        daemon = await start_daemon({**PRICE, "web_search": {"engine": "searxng", "url": searxng.url}})
        call = ToolCall(id="call_1", name="web_search", arguments='{"query": "weather"}')
        second = error(400, {"message": "no"}) if fails else sse(chat_stream(text="It rains.", usage=COUNTS))
        backend.enqueue(sse(chat_stream(text="Let me look.", tool_calls=[call], usage=COUNTS)), second)
        await client_of(reactor, daemon).post(MESSAGES, {**ASKED, "stream": True})
        line = await logged(daemon)
        assert line["attempts"] == 2
        assert round(line["cost_usd"] * DOLLAR) == round((1 if fails else 2) * BY_FILE * DOLLAR)
    finally:
        await searxng.stop()
