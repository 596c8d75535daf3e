"""A client with a conversation, as Claude Code has it, and bridges that come and go under it.

The client keeps nothing but what it was given, and gives that back as it is. Head and first messages of its requests
are recorded ones of the real client.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.service import build
from claude_bridge.testing.backend import ScriptedBackend
from tests.contract.stream_rules import check_events
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import check_answer
from tests.end_to_end.strict.service import ModelTurn, Service
from tests.services.exchange.stage import configured

FIXTURES = Path(__file__).parents[2] / "fixtures" / "claude_code"
RECORDED: Any = json.loads((FIXTURES / "02-tool-results.json").read_bytes())["body"]

MCP: dict[str, Any] = {
    "name": "mcp__files__query",
    "description": "Asks for files.",
    "input_schema": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "filter": {"$ref": "#/definitions/Filter", "description": "Which ones."},
            "sort": {"type": ["string", "null"], "const": "name"},
            "limit": {"type": "integer", "exclusiveMinimum": 0},
            "range": {"type": "array", "items": [{"type": "integer"}, {"type": "integer"}]},
            "either": {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        },
        "definitions": {
            "Filter": {"type": "object", "properties": {"glob": {"type": "string"}}, "additionalProperties": False}
        },
        "required": ["filter"],
        "additionalProperties": False,
    },
}
"""A schema as MCP servers have them: all of it is JSON Schema, and hardly any of it is taken everywhere."""

MESSAGES = "/v1/messages?beta=true"

REMINDER = "<system-reminder>\nThe task tools were not used recently.\n</system-reminder>"


@define(eq=False)
class Conversation:
    """One conversation of one client.

    :ivar said: every text that somebody said in it, tools included, in order.
    :ivar notes: those of the system.
    :ivar thoughts: what the models thought aloud before they said or called this.
    """

    messages: list[dict[str, Any]] = field(factory=lambda: [RECORDED["messages"][0]])
    said: list[str] = field(factory=list)
    thoughts: dict[str, str] = field(factory=dict)
    notes: list[str] = field(factory=list)
    _known: int = 0

    @property
    def said_before(self) -> list[str]:
        """Return what was said before the last answer."""
        return self.said[: self._known]

    @property
    def said_but_notes(self) -> list[str]:
        """Return it without what the system said."""
        return [said for said in self.said_before if said not in self.notes]

    def asks(self, question: str) -> None:
        """Let the user speak."""
        self.said.append(question)
        self.messages.append({"role": "user", "content": [{"type": "text", "text": question}]})

    def told_by_system(self, note: str) -> None:
        """Add a system message, as Claude Code does for models that it does not know."""
        self.said.append(note)
        self.notes.append(note)
        self.messages.append({"role": "system", "content": note})

    def came_from_elsewhere(self) -> None:
        """Go on with what Anthropic's API and another gateway gave: their signatures, encrypted thinking and ids."""
        ids = (
            "toolu_01A09q90qw90lq917835lq9A",
            "call_3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "toolu_bdrk_01XFtV" + "x" * 47,
        )
        calls = [
            {"type": "tool_use", "id": name, "name": "Read", "input": {"file_path": f"/{number}.old"}}
            for number, name in enumerate(ids)
        ]
        thoughts = [
            {
                "type": "thinking",
                "thinking": "Claude thought.",
                "signature": "EqoBCkgIARABGAIiQL2UoU0b1OHYi+yCHpBY7U6FQW8=",
            },
            {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP"},
        ]
        text = {"type": "text", "text": "I shall look."}
        self.messages.append({"role": "assistant", "content": [*thoughts, text, *calls]})
        self.said += [text["text"], *(compact(call["input"]) for call in calls)]
        self.gives_results(self.messages[-1])

    def folds_system_messages(self) -> None:
        """Do what Claude Code does when a server refuses the role: what the system says goes on in the user's turn."""
        for message in self.messages:
            if message["role"] == "system":
                text = f"<system-reminder>\n{message['content']}\n</system-reminder>"
                message.update(role="user", content=[{"type": "text", "text": text}])

    def gives_results(
        self, message: Mapping[str, Any], *, reminder: bool = False, words: str = "", missing: int = 0
    ) -> None:
        """Answer the calls of a message, in another order than they came.

        ``reminder``: with one behind them. ``words``: the user's, likewise. ``missing``: so many of the last calls are
        not answered.
        """
        calls = [block for block in message["content"] if block["type"] == "tool_use"]
        calls = calls[: len(calls) - missing]
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": output_of(call)} for call in reversed(calls)
        ]
        self.said += map(output_of, calls)
        self.said += [words] if words else []
        content = results + [{"type": "text", "text": text} for text in (reminder * REMINDER, words) if text]
        self.messages.append({"role": "user", "content": content})

    def request(self, model: str, *, stream: bool, **more: Any) -> dict[str, Any]:
        """Make a request."""
        head = {key: value for key, value in RECORDED.items() if key not in {"messages", "model", "stream"}}
        head["tools"] = [*head["tools"], MCP]
        return {**head, "model": model, "stream": stream, "messages": self.messages, **more}

    async def turn(
        self, client: Client, service: Service, said: ModelTurn, *, stream: bool, **more: Any
    ) -> dict[str, Any]:
        """Ask ``service``, which is to say ``said``; check that this is what arrives, and keep it."""
        service.says.append(said)
        reply = await client.post(MESSAGES, self.request(service.model, stream=stream, **more))
        assert reply.status == 200, (reply.body, service.refused)
        message = whole(reply, stream=stream)
        self.check(message, service, said)
        self.messages.append({"role": "assistant", "content": message["content"]})
        self._known = len(self.said)
        self.said += [said.text] if said.text else []
        self.said += [arguments for _, arguments in said.calls]
        self.thoughts[said.key] = said.thought
        return message

    @staticmethod
    def check(message: Mapping[str, Any], service: Service, said: ModelTurn) -> None:
        """Compare a message with what was said."""
        blocks: Sequence[dict[str, Any]] = message["content"]
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        assert texts == ([said.text] if said.text else [])
        calls = [(block["name"], compact(block["input"])) for block in blocks if block["type"] == "tool_use"]
        assert calls == list(said.calls)
        thoughts = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
        assert thoughts in {said.thought, ""}
        assert message["stop_reason"] == ("max_tokens" if said.cut else "tool_use" if said.calls else "end_turn")
        assert not service.says


def compact(value: object) -> str:
    """Write JSON as it goes over the wire."""
    return json.dumps(value, separators=(",", ":"))


def output_of(call: Mapping[str, Any]) -> str:
    """Return what a tool says: something that nobody else says."""
    return f"output of {' '.join(call['input'].values())}"


def whole(reply: Reply, *, stream: bool) -> dict[str, Any]:
    """Return the message of an answer in either form."""
    message: dict[str, Any] = check_events(reply.events) if stream else reply.json
    return message


@asynccontextmanager
async def bridge(reactor: Any, config: str) -> AsyncIterator[Client]:
    """Run a new bridge, and return a client of it: whatever a former one knew, this one does not."""
    running = build(configured(config), reactor, Redactor(()))
    running.privilegedStartService()
    running.startService()
    host, port = running.addresses[0]
    try:
        yield Client(reactor, f"http://{host}:{port}", {"anthropic-version": "2023-06-01"}, check_answer)
    finally:
        await running.stopService()


@define(eq=False)
class Services:
    """Services that listen, with bridges that are made anew before them."""

    reactor: Any
    _running: list[tuple[Service, ScriptedBackend]] = field(factory=list, init=False)

    def start(self, service: Service) -> Service:
        """Have a service listen."""
        backend = service.backend(self.reactor)
        backend.start()
        self._running.append((service, backend))
        return service

    async def stop(self) -> None:
        """Stop them all."""
        for _, backend in self._running:
            await backend.stop()

    @property
    def config(self) -> str:
        """Write the configuration of a bridge: the dialects are named, nothing is known of the models."""
        lines = ["[server]", "check_backends = no", "listen = tcp:0:interface=127.0.0.1", "credentials = none"]
        for number, (service, backend) in enumerate(self._running):
            lines += [
                f"[backend:b{number}]",
                f"url = {backend.url}",
                f"dialect = {service.taken_for or service.dialect}",
            ]
            lines += [f"[model:{service.model}]", f"backend = b{number}"]
            lines += [f"{key} = {value}" for key, value in service.overrides.items()]
        return "\n".join(lines) + "\n"

    async def turn(self, talk: Conversation, service: Service, said: ModelTurn, *, stream: bool) -> dict[str, Any]:
        """Let a bridge that was never there before carry one request."""
        async with bridge(self.reactor, self.config) as client:
            return await talk.turn(client, service, said, stream=stream)

    async def ask(self, request: Mapping[str, Any]) -> Reply:
        """Let such a bridge carry any request."""
        async with bridge(self.reactor, self.config) as client:
            return await client.post(MESSAGES, request)

    async def ask_directly(self, service: Service, request: Mapping[str, Any]) -> Reply:
        """Ask a service without any bridge."""
        (url,) = [backend.url for one, backend in self._running if one is service]
        return await Client(self.reactor, url).post("/chat/completions", request)
