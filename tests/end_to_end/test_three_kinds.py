"""One conversation that moves between backends of all three kinds, each as strict as the real ones, in every order.

Backends think, say something and call tools; the client gives back what it was given. Whoever answered last fails, so
that another one goes on, and finds all that was said, and its own thinking as it left it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import pairwise, permutations
from typing import Any, ClassVar

import pytest
import pytest_twisted
from attrs import define, field, frozen

from claude_bridge.testing import messages
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, chat_stream, json_answer, sse, token_usage
from claude_bridge.testing.messages_backend import MessagesBackend
from claude_bridge.testing.received import Received
from claude_bridge.testing.responses import response_stream, response_usage
from claude_bridge.testing.responses_backend import ResponsesBackend
from tests.contract.stream_rules import check_events
from tests.end_to_end.asking import MESSAGES, TOOL
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, check_answer
from tests.end_to_end.daemon import LISTEN, Daemon
from tests.end_to_end.kinds import ANTHROPIC, KINDS, OPENAI, RESPONSES

COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "thinking_tokens")
"""The counts of a line in the log."""

SESSION = {"x-claude-code-session-id": "session-1"}

CONFIG = f"""
[server]
check_backends = no
listen = {LISTEN}

[log]
level = debug

[route:default]
models = {{route}}
patience = 0
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

Said = tuple[str, ...]
"""Something that was said: by whom and what; a call: "call", its tool, its path; a result: "result", that path, it."""


@frozen(kw_only=True)
class Step:
    """One answer.

    :ivar number: no two answers of a conversation have the same words and counts.
    :ivar by: the place in the route of the backend that is to give it.
    :ivar fails: whether the backend that answered before is down; else the conversation stays there.
    :ivar calls: the number of tools that are called; if 0, the user asks something next.
    """

    number: int
    by: int
    fails: bool = True
    calls: int = 1

    @property
    def thought(self) -> str:
        """Return what the backend thinks."""
        return f'Thought {self.number} \u2014 \u00e9 \U0001f600 "\\n".'

    @property
    def text(self) -> str:
        """Return what it says."""
        return f"Answer {self.number} \u2014 \u00fc \U0001f680, a \\ and a \u2028 in it."

    @property
    def paths(self) -> list[str]:
        """Return the files that it wants to see, one a call."""
        return [f"/{self.number}/{each}.txt" for each in range(self.calls)]

    @property
    def counts(self) -> list[int]:
        """Return the counts that it reports, as `COUNTS` has them."""
        return [10 + self.number, 1000 + self.number, 200 + self.number, 100 + self.number, 30 + self.number]

    @property
    def said(self) -> list[Said]:
        """Return what is in it for everybody."""
        return [("assistant", self.text), *(("call", "Read", path) for path in self.paths)]


STEPS = [
    Step(number=0, by=0),
    Step(number=1, by=1, calls=2),
    Step(number=2, by=1, fails=False),
    Step(number=3, by=2, calls=0),
    Step(number=4, by=0),
    Step(number=5, by=2),
    Step(number=6, by=2, fails=False, calls=2),
    Step(number=7, by=1, calls=0),
    Step(number=8, by=0),
    Step(number=9, by=0, fails=False, calls=0),
]
"""Each backend hands over to each other one once; and each is stayed with, although the first choice is there again."""


def texts(content: Any) -> str:
    """Return the text of a message's content in any API."""
    return content if isinstance(content, str) else "".join(part["text"] for part in content or ())


@define(eq=False)
class Speaker:
    """A backend that says what a step says, or fails.

    :cvar kind: its kind.
    :cvar dialect: what its server is.
    :cvar failure: its answer while it is down.
    :cvar failed: the status and the outcome of such an attempt in the log.
    :ivar step: what it says next.
    :ivar gave: the answers that it gave.
    """

    kind: ClassVar[str]
    dialect: ClassVar[str]
    failure: ClassVar[Answer]
    failed: ClassVar[tuple[int, str]]
    backend: Any
    is_down: bool = False
    step: Step = STEPS[0]
    gave: list[Step] = field(factory=list)

    def answer(self, received: Received) -> Answer:
        """Answer a request."""
        if self.is_down:
            return self.failure
        self.gave.append(self.step)
        return sse(self.stream(self.step)) if received.json["stream"] else self.whole(self.step)

    def stream(self, step: Step) -> Sequence[bytes]:
        """Return a step's events."""
        raise NotImplementedError

    def whole(self, step: Step) -> Answer:
        """Return a step's answer in one piece."""
        raise NotImplementedError  # only who is passed through is asked for one

    def said(self, request: Mapping[str, Any]) -> Iterator[Said]:
        """Yield what was said in the conversation that a request brings, the system's words first."""
        raise NotImplementedError

    def own(self, step: Step) -> object:
        """Return the thinking of a step in the form in which it takes it back."""
        raise NotImplementedError

    def wanted(self, steps: Sequence[Step]) -> list[object]:
        """Return the thinking that a request has to bring after these steps: all of its own, and nobody else's."""
        return [self.own(step) for step in steps if step in self.gave]

    def thoughts(self, request: Mapping[str, Any]) -> list[object]:
        """Return the thinking that a request brings, in that form."""
        raise NotImplementedError


def tool_calls(step: Step) -> list[ToolCall]:
    """Return the calls of a step."""
    return [
        ToolCall(id=f"call_{step.number}_{at}", name="Read", arguments=json.dumps({"path": path}))
        for at, path in enumerate(step.paths)
    ]


class OpenaiSpeaker(Speaker):
    """One with chat completions, which takes what was thought since the last question."""

    kind = "openai"
    dialect = "generic"
    failure = OPENAI.sayings["503"].streamed
    failed = (503, "upstream_unavailable")

    def stream(self, step: Step) -> Sequence[bytes]:
        """Make a stream of chunks; a prompt's tokens include those that were cached."""
        given, read, written, output, thinking = step.counts
        usage = token_usage(given + read + written, output, cached=read, reasoning=thinking)
        usage["prompt_tokens_details"]["cache_write_tokens"] = written
        return chat_stream(reasoning=step.thought, text=step.text, tool_calls=tool_calls(step), usage=usage)

    def said(self, request: Mapping[str, Any]) -> Iterator[Said]:
        """Read the messages."""
        paths: dict[str, str] = {}
        for message in request["messages"]:
            if message["role"] == "tool":
                yield "result", paths.pop(message["tool_call_id"]), texts(message["content"])
                continue
            if message["content"]:
                yield message["role"], texts(message["content"])
            for call in message.get("tool_calls") or ():
                paths[call["id"]] = json.loads(call["function"]["arguments"])["path"]
                yield "call", call["function"]["name"], paths[call["id"]]

    def wanted(self, steps: Sequence[Step]) -> list[object]:
        """Return what anybody thought since the user's last question: it takes words without any signature."""
        asked = max((at + 1 for at, step in enumerate(steps) if not step.calls), default=0)
        return [step.thought for step in steps[asked:]]

    def thoughts(self, request: Mapping[str, Any]) -> list[object]:
        """Return what comes back in the field in which it was given."""
        given = (message.get("reasoning_content") for message in request["messages"])
        return [thought for thought in given if thought]


class AnthropicSpeaker(Speaker):
    """One with Anthropic's own API, which takes no thinking but what it has signed."""

    kind = "anthropic"
    dialect = "anthropic"
    failure = ANTHROPIC.sayings["529"].streamed
    failed = (529, "upstream_overloaded")

    def stream(self, step: Step) -> Sequence[bytes]:
        """Make a stream of its events."""
        return messages.message_stream(
            *self.content(step), **self.head(step), usage=self.usage(step, 1), output_tokens=step.counts[3]
        )

    def whole(self, step: Step) -> Answer:
        """Make a message."""
        stop = "tool_use" if step.calls else "end_turn"
        usage = self.usage(step, step.counts[3])
        return json_answer(200, messages.message(*self.content(step), **self.head(step), stop=stop, usage=usage))

    def content(self, step: Step) -> list[dict[str, Any]]:
        """Return its blocks."""
        calls = [
            {
                "type": "tool_use",
                "id": f"toolu_01A09q90qw90lq91{step.number}{at}",
                "name": "Read",
                "input": {"path": path},
            }
            for at, path in enumerate(step.paths)
        ]
        return [self.own(step), {"type": "text", "text": step.text}, *calls]

    def head(self, step: Step) -> dict[str, Any]:
        """Return the model, and an id that no other message has."""
        return {"model": self.backend.models[0], "message_id": f"msg_{step.number:024}"}

    def usage(self, step: Step, output_tokens: int) -> dict[str, Any]:
        """Return its counts, with so many tokens of output so far."""
        given, read, written, _, thinking = step.counts
        return {
            "input_tokens": given, "cache_read_input_tokens": read, "cache_creation_input_tokens": written,
            "output_tokens": output_tokens, "output_tokens_details": {"thinking_tokens": thinking},
        }  # fmt: skip

    def said(self, request: Mapping[str, Any]) -> Iterator[Said]:
        """Read the blocks."""
        yield "system", texts(request["system"])
        paths: dict[str, str] = {}
        for message in request["messages"]:
            content: Any = message["content"]
            if isinstance(content, str):
                content = [{"type": "text", "text": content}]
            for block in content:
                match block["type"]:
                    case "text":
                        yield message["role"], block["text"]
                    case "tool_use":
                        paths[block["id"]] = block["input"]["path"]
                        yield "call", block["name"], block["input"]["path"]
                    case "tool_result":
                        yield "result", paths.pop(block["tool_use_id"]), texts(block["content"])

    def own(self, step: Step) -> dict[str, Any]:
        """Return a block that it has signed."""
        block: dict[str, Any] = self.backend.thinking(step.thought)
        return block

    def thoughts(self, request: Mapping[str, Any]) -> list[object]:
        """Return all blocks of thinking."""
        contents = [message["content"] for message in request["messages"] if message["role"] == "assistant"]
        return [block for content in contents for block in content if "thinking" in block["type"]]


class ResponsesSpeaker(Speaker):
    """One with the Responses API, whose thinking only it can read; it fails inside an answer of status 200."""

    kind = "responses"
    dialect = "openai"
    failure = RESPONSES.sayings["529"].streamed
    failed = (200, "upstream_unavailable")

    def stream(self, step: Step) -> Sequence[bytes]:
        """Make a stream of events."""
        given, read, written, output, thinking = step.counts
        usage = response_usage(given + read + written, output, cached=read, written=written, reasoning=thinking)
        return response_stream(
            text=step.text, reasoning=step.thought, encrypted=secret(step), calls=tool_calls(step), usage=usage
        )

    def said(self, request: Mapping[str, Any]) -> Iterator[Said]:
        """Read the items."""
        yield "system", request["instructions"]
        paths: dict[str, str] = {}
        for item in request["input"]:
            match item["type"]:
                case "message":
                    yield item["role"], texts(item["content"])
                case "function_call":
                    paths[item["call_id"]] = json.loads(item["arguments"])["path"]
                    yield "call", item["name"], paths[item["call_id"]]
                case "function_call_output":
                    yield "result", paths.pop(item["call_id"]), texts(item["output"])

    def own(self, step: Step) -> object:
        """Return the summary and what is encrypted."""
        return step.thought, secret(step)

    def thoughts(self, request: Mapping[str, Any]) -> list[object]:
        """Return the items of reasoning."""
        items = [item for item in request["input"] if item["type"] == "reasoning"]
        return [(texts(item["summary"]), item["encrypted_content"]) for item in items]


def secret(step: Step) -> str:
    """Return what nobody but the server can read, with every character that base64 has."""
    return f"gAAAA{step.number}+/-_{'xYz09' * 40}=={step.number}"


SPEAKERS: dict[str, Callable[[Any], Speaker]] = {
    "openai": lambda reactor: OpenaiSpeaker(ScriptedBackend(reactor)),
    "anthropic": lambda reactor: AnthropicSpeaker(MessagesBackend(reactor, models=["claude-opus-5-5"])),
    "responses": lambda reactor: ResponsesSpeaker(ResponsesBackend(reactor, models=["gpt-5.6"])),
}

SYSTEM, QUESTION, FURTHER = "Read what you need.", "Compare all files \u2014 \u00e4.", "And now, after answer {}?"


@define(eq=False)
class Talk:
    """A client with one conversation, and what has to be in it.

    :ivar messages: as the client keeps them: what it was given goes back as it was.
    :ivar said: all that was said so far.
    :ivar steps: the answers so far.
    """

    messages: list[dict[str, Any]] = field(factory=lambda: [{"role": "user", "content": QUESTION}])
    said: list[Said] = field(factory=lambda: [("system", SYSTEM), ("user", QUESTION)])
    steps: list[Step] = field(factory=list)

    def request(self, *, streaming: bool) -> dict[str, Any]:
        """Return the next request."""
        return {
            "model": "claude-opus-5-5", "max_tokens": 5000, "stream": streaming, "system": SYSTEM, "tools": [TOOL],
            "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "messages": self.messages,
        }  # fmt: skip

    def goes_on(self, step: Step, content: list[dict[str, Any]]) -> None:
        """Keep an answer, and reply to it: with the results of its calls, else with a question."""
        self.said += step.said
        self.steps.append(step)
        ids = [block["id"] for block in content if block["type"] == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": each, "content": f"Content of {path}"}
            for each, path in zip(ids, step.paths, strict=True)
        ]
        further = FURTHER.format(step.number)
        self.said += [("result", path, f"Content of {path}") for path in step.paths] or [("user", further)]
        self.messages += [
            {"role": "assistant", "content": content},
            {"role": "user", "content": results or [{"type": "text", "text": further}]},
        ]


@define(eq=False)
class House:
    """A daemon with a speaker of each kind behind it.

    :ivar route: the speakers in the order of the route.
    :ivar place: where the conversation is.
    """

    daemon: Daemon
    client: Client
    route: list[Speaker]
    place: Speaker | None = None

    def prepare(self, step: Step) -> list[Speaker]:
        """Set who is down, and return who is to be asked, in this order: where the conversation is, then the route."""
        last, expected = self.place, self.route[step.by]
        order = sorted(self.route, key=lambda speaker: speaker is not last)
        asked = order[: order.index(expected) + 1]
        for speaker in self.route:
            speaker.step = step
            speaker.is_down = speaker in asked[:-1]
        assert (last in asked[:-1]) == (step.fails and last is not None)
        return asked

    async def take(self, step: Step, talk: Talk, *, streaming: bool) -> None:
        """Ask the next question, and check who was asked what, the answer, and the lines in the log."""
        asked = self.prepare(step)
        before = {speaker.kind: len(speaker.backend.chats) for speaker in self.route}
        requests, attempts = (len(self.daemon.events(name)) for name in ("request", "attempt"))
        reply = await self.client.post(MESSAGES, talk.request(streaming=streaming), headers=SESSION)
        assert reply.status == 200, reply.body
        self.place = asked[-1]

        for speaker in self.route:
            received = speaker.backend.chats[before[speaker.kind] :]
            assert len(received) == (speaker in asked)
            for one in received:
                assert one.problems == ()
                assert list(speaker.said(one.json)) == talk.said
                assert speaker.thoughts(one.json) == speaker.wanted(talk.steps)

        if not KINDS[self.place.kind].passes_through:
            check_answer(MESSAGES, reply)
        answer = check_events(reply.events) if streaming else reply.json
        blocks = {kind: [block for block in answer["content"] if block["type"] == kind] for kind in KINDS_OF_BLOCKS}
        assert [block["thinking"] for block in blocks["thinking"]] == [step.thought]
        assert [block["text"] for block in blocks["text"]] == [step.text]
        assert [block["input"]["path"] for block in blocks["tool_use"]] == step.paths
        assert answer["stop_reason"] == ("tool_use" if step.paths else "end_turn")

        await self.daemon.wait_for("request", count=requests + 1)
        line = self.daemon.events("request")[-1]
        assert [line[name] for name in COUNTS] == step.counts
        assert (line["backend"], line["outcome"], line["estimated"]) == (self.place.kind, "ok", False)
        assert line["attempts"] == len(asked)
        told = [(each["backend"], each["status"], each["outcome"]) for each in self.daemon.events("attempt")[attempts:]]
        assert told == [(one.kind, *one.failed) for one in asked[:-1]] + [(self.place.kind, 200, "ok")]
        usage = answer["usage"]
        assert [usage[name] for name in CLIENT_COUNTS] == step.counts[: len(CLIENT_COUNTS)]
        talk.goes_on(step, answer["content"])


KINDS_OF_BLOCKS = ("thinking", "text", "tool_use")
CLIENT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")

ORDERS = list(permutations(SPEAKERS))


@pytest_twisted.async_yield_fixture(params=ORDERS, ids=", ".join)
async def house(reactor: Any, request: pytest.FixtureRequest, start_daemon: StartDaemon) -> AsyncIterator[House]:
    """Yield a daemon with a route over all kinds in some order."""
    route = [SPEAKERS[kind](reactor) for kind in request.param]
    config = CONFIG.format(route=", ".join(f"of-{speaker.kind}" for speaker in route))
    for speaker in route:
        backend = speaker.backend
        backend.script = speaker.answer
        backend.start()
        config += BACKEND.format(kind=speaker.kind, url=backend.url, dialect=speaker.dialect, model=backend.models[0])
    daemon = await start_daemon(config=config)
    headers = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
    yield House(daemon, Client(reactor, daemon.url, headers), route)
    for speaker in route:
        await speaker.backend.stop()


class MovingTests:
    """A conversation with tools and thinking over all kinds."""

    def test_every_order(self) -> None:
        """All kinds are here, and in each order every one of them hands over to every other."""
        assert set(SPEAKERS) == set(KINDS)
        moves = {(one.by, other.by) for one, other in pairwise(STEPS)}
        assert {move for move in moves if move[0] != move[1]} == set(permutations(range(len(SPEAKERS)), 2))

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
    async def test_moves(self, house: House, streaming: bool) -> None:
        """Whoever is asked finds all that was said, in order, and the thinking that it can read, as it was."""
        talk = Talk()
        for step in STEPS:
            await house.take(step, talk, streaming=streaming)
