"""The real Claude Code client with backends of several kinds: passed through, and moving from one kind to another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from itertools import permutations
from typing import Any, ClassVar

import pytest
import pytest_twisted
from attrs import define, field
from twisted.protocols.portforward import ProxyFactory, ProxyServer

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, chat_stream, error, sse, token_usage
from claude_bridge.testing.messages import message_error, message_stream
from claude_bridge.testing.messages_backend import MessagesBackend
from claude_bridge.testing.received import Received
from claude_bridge.testing.responses import response_stream, response_usage
from claude_bridge.testing.responses_backend import ResponsesBackend
from tests.end_to_end.claude_code import ClaudeCode, Turn
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import LISTEN, Daemon
from tests.end_to_end.kinds import RESPONSES
from tests.end_to_end.users import ALLOWED, CLIENT, NewUser, new_user, program, requests

__all__ = ["new_user", "program"]  # fixtures

pytestmark = CLIENT

MODEL = "claude-opus-5-5"
"""What the client asks for. From answers of another model it sends no signed thinking in a session that it resumes."""

RUN = {"command": "echo ran >> runs.txt; cat runs.txt", "description": "Note that it ran"}
QUESTION, THOUGHT, CONCLUSION = "Let me run it.", 'I should run it \u2014 \u00e9 \U0001f600 "once".', "It ran."

SERVER = f"""
[server]
check_backends = no
listen = {LISTEN}

[route:default]
models = {{route}}
"""
BACKEND = """
[backend:{kind}]
kind = {kind}
url = {url}
dialect = {dialect}

[model:of-{kind}]
backend = {kind}
name = {model}
"""

COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "thinking_tokens")


def has_result(received: Received) -> bool:
    """Return whether a request brings what a tool said, in whatever API."""
    return any(mark in received.body for mark in (b'"tool_result"', b'"role":"tool"', b'"function_call_output"'))


@define(eq=False)
class Player:
    """A backend that thinks, has a command run, and in the end says which kind it is of.

    :cvar dialect: what its server is.
    :cvar counts: what each of its answers uses, as `COUNTS` has it.
    :ivar is_down: whether it refuses everything.
    """

    kind: ClassVar[str]
    dialect: ClassVar[str] = "generic"
    counts: ClassVar[list[int | None]]
    backend: Any
    is_down: bool = False

    def say(self, received: Received) -> Answer:
        """Answer a request."""
        if self.is_down:
            return self.refusal()
        return self.concluded() if has_result(received) else self.asked()

    def refusal(self) -> Answer:
        """Return the answer of a server that can take no more."""
        raise NotImplementedError

    def asked(self) -> Answer:
        """Return the answer that has the command run."""
        raise NotImplementedError

    def concluded(self) -> Answer:
        """Return the last answer."""
        raise NotImplementedError

    @property
    def mark(self) -> bytes:
        """Return what has to come back of the thinking that led to the command, byte for byte."""
        return b""


class AnthropicPlayer(Player):
    """One with Anthropic's own API, which takes no thinking but what it has signed."""

    kind = "anthropic"
    dialect = "anthropic"
    counts: ClassVar[list[int | None]] = [9, 100, 4, 23, None]

    def refusal(self) -> Answer:
        """Refuse."""
        return message_error(529, "overloaded_error", "Overloaded")

    def asked(self) -> Answer:
        """Ask for the command."""
        return self.message(*self.question)

    def concluded(self) -> Answer:
        """Conclude."""
        return self.message(self.backend.thinking(CONCLUSION), {"type": "text", "text": f"Done, by {self.kind}."})

    def message(self, *blocks: dict[str, Any]) -> Answer:
        """Return an answer of these blocks, with an id of its own."""
        return sse(message_stream(*blocks, model=MODEL, message_id=f"msg_{len(self.backend.requests):024}"))

    @property
    def question(self) -> tuple[dict[str, Any], ...]:
        """Return the blocks of the answer that has the command run."""
        call = {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "Bash", "input": RUN}
        return self.backend.thinking(THOUGHT), {"type": "text", "text": QUESTION}, call

    @property
    def mark(self) -> bytes:
        """Return the signature."""
        return f'"signature":"{self.backend.signature(THOUGHT)}"'.encode()


class OpenaiPlayer(Player):
    """One with chat completions."""

    kind = "openai"
    counts: ClassVar[list[int | None]] = [12, 100, 0, 30, 7]
    usage: ClassVar[dict[str, Any]] = token_usage(112, 30, cached=100, reasoning=7)

    def refusal(self) -> Answer:
        """Refuse."""
        return error(503, {"message": "down"})

    def asked(self) -> Answer:
        """Ask for the command."""
        call = ToolCall(id="call_1", name="Bash", arguments=json.dumps(RUN))
        return sse(chat_stream(reasoning=THOUGHT, text=QUESTION, tool_calls=[call], usage=self.usage))

    def concluded(self) -> Answer:
        """Conclude."""
        return sse(chat_stream(reasoning=CONCLUSION, text=f"Done, by {self.kind}.", usage=self.usage))


class ResponsesPlayer(Player):
    """One with the Responses API, whose thinking only it can read; it refuses inside an answer of status 200."""

    kind = "responses"
    dialect = "openai"
    counts: ClassVar[list[int | None]] = [12, 100, 4, 30, 7]
    usage: ClassVar[dict[str, Any]] = response_usage(116, 30, cached=100, written=4, reasoning=7)

    def refusal(self) -> Answer:
        """Refuse."""
        return RESPONSES.sayings["529"].streamed

    def asked(self) -> Answer:
        """Ask for the command."""
        call = ToolCall(id="call_1", name="Bash", arguments=json.dumps(RUN))
        return sse(
            response_stream(reasoning=THOUGHT, encrypted="gAAAA-one+/==", text=QUESTION, calls=[call], usage=self.usage)
        )

    def concluded(self) -> Answer:
        """Conclude."""
        text = f"Done, by {self.kind}."
        return sse(response_stream(reasoning=CONCLUSION, encrypted="gAAAA-two+/==", text=text, usage=self.usage))

    @property
    def mark(self) -> bytes:
        """Return what is encrypted."""
        return b'"encrypted_content":"gAAAA-one+/=="'


PLAYERS: dict[str, Callable[[Any], Player]] = {
    "anthropic": lambda reactor: AnthropicPlayer(MessagesBackend(reactor, models=[MODEL])),
    "openai": lambda reactor: OpenaiPlayer(ScriptedBackend(reactor)),
    "responses": lambda reactor: ResponsesPlayer(ResponsesBackend(reactor, models=["gpt-5.6"])),
}
"""One of each kind; a kind more is an entry more."""


class _Overheard(ProxyServer):
    """Notes what a client sends."""

    factory: Any

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Pass it on."""
        self.factory.heard += data
        super().dataReceived(data)


class Listener(ProxyFactory):
    """Relays to a daemon.

    :ivar heard: all bytes that clients sent.
    """

    protocol = _Overheard
    noisy = False

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.heard = bytearray()


@define(eq=False)
class House:
    """A player of each kind, and the means to start a daemon in front of them."""

    start_daemon: StartDaemon
    new_user: NewUser
    players: dict[str, Any] = field(factory=dict)
    daemon: Daemon | None = None

    async def user(self, *route: str) -> ClaudeCode:
        """Start a daemon with a route over these kinds in this order, and return a user of it."""
        config = SERVER.format(route=", ".join(f"of-{kind}" for kind in route))
        for kind, player in self.players.items():
            backend = player.backend
            config += BACKEND.format(kind=kind, url=backend.url, dialect=player.dialect, model=backend.models[0])
        self.daemon = await self.start_daemon(config=config)
        return self.new_user(self.daemon)

    @property
    def answered(self) -> list[tuple[str, list[int | None]]]:
        """Return who answered each request so far, and what it used."""
        assert self.daemon is not None
        return [(line["backend"], [line[name] for name in COUNTS]) for line in requests(self.daemon)]

    def answers(self, *kinds: str) -> list[tuple[str, list[int | None]]]:
        """Return the same for answers of these kinds."""
        return [(kind, self.players[kind].counts) for kind in kinds]


@pytest_twisted.async_yield_fixture()
async def house(reactor: Any, start_daemon: StartDaemon, new_user: NewUser) -> AsyncIterator[House]:
    """Yield the players, and check in the end that none was asked for what it had to refuse."""
    players = {kind: make(reactor) for kind, make in PLAYERS.items()}
    for player in players.values():
        player.backend.script = player.say
        player.backend.start()
    yield House(start_daemon, new_user, players)
    for player in players.values():
        await player.backend.stop()
    problems = {kind: [one.problems for one in player.backend.chats] for kind, player in players.items()}
    assert {kind: sum(found, ()) for kind, found in problems.items()} == dict.fromkeys(players, ())


def assert_quiet(turn: Turn, answer: str) -> None:
    """Check that a turn ended well, with nothing for its user to wonder about."""
    assert turn.answer == answer
    assert turn.err == ""
    assert {line.get("subtype") for line in turn.lines if line["type"] == "system"} <= {"init", "thinking_tokens"}


class PassThroughTests:
    """A session with a backend whose API is the client's own."""

    @pytest_twisted.ensureDeferred
    async def test_tool_loop(self, house: House, reactor: Any) -> None:
        """A command runs once, and the backend gets all requests as they were sent, with what it has signed in them."""
        user = await house.user("anthropic")
        assert house.daemon is not None
        listener = Listener(house.daemon.port)
        port = reactor.listenTCP(0, listener, interface="127.0.0.1")
        user.url = f"http://127.0.0.1:{port.getHost().port}"
        turn = await user.turn("Run it", *ALLOWED)
        assert_quiet(turn, "Done, by anthropic.")
        assert (user.project / "runs.txt").read_text() == "ran\n"
        assert turn.blocks("tool_result")[0]["content"] == "ran"
        assert turn.result["usage"]["cache_read_input_tokens"] == 200
        again = await user.turn("And now?", "--continue", *ALLOWED)
        await port.stopListening()
        assert_quiet(again, "Done, by anthropic.")

        claude = house.players["anthropic"]
        first, second, third = claude.backend.chats
        question = list(claude.question)
        for one, said in ((second, [question]), (third, [question, [claude.backend.thinking(CONCLUSION)]])):
            answers = [each["content"] for each in one.json["messages"] if each["role"] == "assistant"]
            assert [answer[: len(told)] for answer, told in zip(answers, said, strict=True)] == said
        for one in (first, second, third):
            assert one.body in listener.heard
            assert b"anthropic-beta: " + one.headers["anthropic-beta"].encode() in listener.heard
            assert one.headers["anthropic-beta"].startswith("claude-code-20250219,interleaved-thinking-")
            assert one.headers["user-agent"].startswith("claude-cli/")
            assert one.headers["authorization"] == "Bearer test-key"
            assert one.headers["x-claude-code-session-id"] == turn.session
        assert house.answered == house.answers(*["anthropic"] * 3)


PAIRS = [("anthropic", "openai"), ("openai", "anthropic")]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[" to ".join(pair) for pair in PAIRS])
class MovingTests:
    """A session that moves to a backend of another kind."""

    @pytest_twisted.ensureDeferred
    async def test_between_turns(self, house: House, first: str, second: str) -> None:
        """If the first fails, the second goes on with what it did and thought, and the first again after that."""
        user = await house.user(first, second)
        assert_quiet(await user.turn("Run it", *ALLOWED), f"Done, by {first}.")
        house.players[first].is_down = True
        assert_quiet(await user.turn("And now?", "--continue", *ALLOWED), f"Done, by {second}.")
        house.players[first].is_down, house.players[second].is_down = False, True
        assert_quiet(await user.turn("And now?", "--continue", *ALLOWED), f"Done, by {first}.")
        assert (user.project / "runs.txt").read_text() == "ran\n"
        assert house.answered == house.answers(first, first, second, first)

    @pytest_twisted.ensureDeferred
    async def test_inside_a_tool_loop(self, house: House, first: str, second: str) -> None:
        """If the first fails when the command has run, the second concludes, and it has not run twice."""
        user = await house.user(first, second)
        player = house.players[first]
        player.concluded = player.refusal
        assert_quiet(await user.turn("Run it", *ALLOWED), f"Done, by {second}.")
        assert_quiet(await user.turn("And now?", "--continue", *ALLOWED), f"Done, by {second}.")
        assert (user.project / "runs.txt").read_text() == "ran\n"
        assert house.answered == house.answers(first, second, second)


ORDERS = list(permutations(PLAYERS))


class ThreeKindsTests:
    """A session over all kinds."""

    @pytest.mark.parametrize("order", ORDERS, ids=[", ".join(order) for order in ORDERS])
    @pytest_twisted.ensureDeferred
    async def test_session(self, house: House, order: tuple[str, str, str]) -> None:
        """The first has a command run, the second answers, the third is asked next and stays, and the first ends it.

        The first then gets back what it thought, and the command has not run twice.
        """
        user = await house.user(*order)
        first, second, third = (house.players[kind] for kind in order)
        first.concluded = first.refusal
        assert_quiet(await user.turn("Run it", *ALLOWED), f"Done, by {second.kind}.")
        first.is_down = second.is_down = True
        assert_quiet(await user.turn("And now?", "--continue", *ALLOWED), f"Done, by {third.kind}.")
        second.is_down = False
        assert_quiet(await user.turn("And now?", "--continue", *ALLOWED), f"Done, by {third.kind}.")
        del first.concluded
        first.is_down, third.is_down = False, True
        assert_quiet(await user.turn("And now?", "--continue", *ALLOWED), f"Done, by {first.kind}.")
        assert (user.project / "runs.txt").read_text() == "ran\n"
        assert first.mark in first.backend.chats[-1].body
        asked = (first, second, third, third, first)
        assert house.answered == house.answers(*(player.kind for player in asked))
