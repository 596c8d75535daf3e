"""Long silence, in simulated time: backends that load or think for minutes lose no client and are not given up."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from attrs import define, field

from claude_bridge.testing.answers import Answer, Pause, Send, Stall, Step
from claude_bridge.testing.chat import STREAM_HEADERS
from tests.end_to_end.asking import ALL_SAID, ANSWER, FULL, HI, MESSAGES, said
from tests.end_to_end.client import Reading
from tests.end_to_end.simulated import Scene, scene
from tests.end_to_end.sse import names

__all__ = ["scene"]  # a fixture

PING_INTERVAL = 10
SWEEP = 1  # a limit is looked at once a second
COMMIT_AFTER = 10
MINUTES = 60
WHOLE = {**FULL, "stream": False}
COMMENT = Send(b": still loading\n\n")


def answer(*steps: Step) -> Answer:
    """Take these steps, then give the whole answer."""
    return Answer(200, STREAM_HEADERS, (*steps, *map(Send, ANSWER)))


@define(eq=False)
class Listener:
    """Notes when a stream brought something, in simulated seconds."""

    _scene: Scene
    readings: list[Reading] = field(factory=list)
    times: list[float] = field(factory=list)
    _seen: int = 0

    def ask(self, body: dict[str, Any]) -> None:
        """Send a request; its answer is in `readings` once its head has come."""
        self._scene.client.send("POST", MESSAGES, body).addCallback(self.readings.append)

    def listen(self) -> None:
        """Look."""
        size = len(self.readings[0].raw) if self.readings else 0
        if size > self._seen:
            self._seen = size
            self.times.append(self._scene.time.seconds())

    @property
    def gaps(self) -> list[float]:
        """Return the seconds between what came."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


async def ask(scene: Scene, body: dict[str, Any], given: Answer) -> Listener:
    """Send a request, and wait until the backend has it."""
    scene.backend.enqueue(given)
    listener = Listener(scene)
    listener.ask(body)
    while not scene.backend.chats:
        await scene.time.turn()
    return listener


class SilenceTests:
    """Ten minutes and more without a token."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        "steps",
        [(Pause(10 * MINUTES),), (Send(b""), Pause(10 * MINUTES)), (*(Pause(60), COMMENT) * 10,)],
        ids=["no head", "head", "comments"],
    )
    async def test_ten_minutes(self, scene: Scene, steps: tuple[Step, ...]) -> None:
        """A streaming client hears something at least every ten seconds, and then gets its answer whole."""
        listener = await ask(scene, FULL, answer(*steps))
        begun = scene.time.seconds()
        await scene.time.pass_time(10 * MINUTES - 5, listener.listen)
        assert scene.backend.chats[0].gone is None
        assert listener.times[0] - begun <= COMMIT_AFTER + SWEEP
        assert max(listener.gaps) <= PING_INTERVAL + SWEEP
        assert len(listener.times) >= 10 * MINUTES / (PING_INTERVAL + SWEEP) - 1
        await scene.time.pass_time(10)
        reply = await listener.readings[0].whole()
        assert said(reply.events) == ALL_SAID
        assert names(reply.events)[-1] == "message_stop"
        assert {event.name for event in reply.events[:50]} == {"message_start", "ping"}

    @pytest_twisted.ensureDeferred
    async def test_not_streaming(self, scene: Scene) -> None:
        """A client that does not stream waits as long, with nothing sent too early."""
        listener = await ask(scene, WHOLE, answer(Pause(10 * MINUTES)))
        await scene.time.pass_time(10 * MINUTES - 5, listener.listen)
        assert listener.readings == []
        await scene.time.pass_time(10)
        assert (await listener.readings[0].whole()).json["stop_reason"] == "tool_use"

    @pytest_twisted.ensureDeferred
    async def test_kept_alive(self, scene: Scene) -> None:
        """A backend that sends comments is alive for as long as it does: half an hour, twice the limit."""
        steps = (Pause(300), COMMENT) * 6
        listener = await ask(scene, FULL, answer(*steps))
        await scene.time.pass_time(1800 - 5, listener.listen)
        assert max(listener.gaps) <= PING_INTERVAL + SWEEP
        await scene.time.pass_time(10)
        assert said((await listener.readings[0].whole()).events) == ALL_SAID

    @pytest_twisted.ensureDeferred
    async def test_inside(self, scene: Scene) -> None:
        """Pings also flow in silence inside an answer, and comments keep it alive beyond the idle limit."""
        waiting: tuple[Step, ...] = (Pause(400), COMMENT)
        steps = (*map(Send, ANSWER[:4]), *waiting * 3, *map(Send, ANSWER[4:]))
        listener = await ask(scene, FULL, Answer(200, STREAM_HEADERS, steps))
        await scene.time.pass_time(1200 - 5, listener.listen)
        assert max(listener.gaps) <= PING_INTERVAL + SWEEP
        await scene.time.pass_time(10)
        assert said((await listener.readings[0].whole()).events) == ALL_SAID

    @pytest_twisted.ensureDeferred
    async def test_no_ping_too_many(self, scene: Scene) -> None:
        """While an answer flows there is no ping."""
        steps = [step for part in ANSWER for step in (Send(part), Pause(5))]
        listener = await ask(scene, FULL, Answer(200, STREAM_HEADERS, tuple(steps)))
        await scene.time.pass_time(5 * len(ANSWER) + 5, listener.listen)
        told = [event.name for event in (await listener.readings[0].whole()).events]
        assert told.count("ping") == 1  # the one that follows message_start


class LimitTests:
    """Silence that lasts too long after all."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("body", "steps", "limit"),
        [
            (FULL, (Stall(),), 900),
            (FULL, (Send(b""), Stall()), 900),
            (FULL, (Pause(500), COMMENT, Stall()), 1400),
            (FULL, (*map(Send, ANSWER[:4]), Stall()), 600),
            ({**HI, "stream": True}, (*map(Send, ANSWER[:4]), Stall()), 300),
        ],
        ids=["no head", "no event", "one comment", "inside, with tools", "inside, without"],
    )
    async def test_given_up(self, scene: Scene, body: dict[str, Any], steps: tuple[Step, ...], limit: int) -> None:
        """After 15 minutes before the first event, after 10 or 5 inside an answer, it is an error, and not before."""
        listener = await ask(scene, body, Answer(200, STREAM_HEADERS, steps))
        await scene.time.pass_time(limit - 2, listener.listen)
        assert scene.backend.chats[0].gone is None
        assert b"event: error" not in listener.readings[0].raw
        await scene.time.pass_time(2 + 2 * SWEEP, listener.listen)
        assert scene.backend.chats[0].gone is not None
        reply = await listener.readings[0].whole()
        assert reply.events[-1].data["error"]["type"] == "timeout_error"
        assert "message_stop" not in names(reply.events)
