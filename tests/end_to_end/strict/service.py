"""A strict service: it refuses what the real one refuses, in its words, and else says what the test lets it say.

Words of refusals are those of public reports, or of the source that a subclass names. Nothing is remembered from one
request to the next that the real service would not keep in a signature: what must come back is recognised by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar

from attrs import define, field, frozen

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, chunk, error, events, sse, token_usage
from claude_bridge.testing.received import Received
from claude_bridge.testing.requests import REQUEST_KEYS, problems

__all__ = [
    "ModelTurn",
    "Problem",
    "Service",
    "answers_of",
    "calls_of",
    "empty_answers",
    "in_parts",
    "json_problems",
    "key_of",
    "last_question",
    "seal",
    "text_of",
]

PART = 9
"""Characters of one delta."""


@frozen(kw_only=True)
class ModelTurn:
    """What the model says in one answer.

    :ivar calls: name and arguments of each call, as JSON text.
    :ivar cut: it ended because it was too long.
    """

    thought: str = ""
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    cut: bool = False

    @property
    def key(self) -> str:
        """Return by what it is known again in a history."""
        return self.calls[0][1] if self.calls else self.text


@frozen
class Problem:
    """Why a request is refused. ``more``: further fields of the error."""

    message: str
    status: int = 400
    more: Mapping[str, Any] = field(factory=dict)


@define(eq=False)
class Service:
    """One service with one model; give it to a `ScriptedBackend` as its script.

    :cvar dialect: the bridge's name for it.
    :cvar fields: of a request that it knows; :cvar remembers: of an assistant message, beside OpenAI's.
    :cvar thinks_in: the field of its own thinking, "" where it shows none.
    :cvar wants: of which turns past thinking must come back word for word: ``all``, those with ``calls``, such since
        the last ``question``, or ``none``.
    :cvar usage_unasked: usage comes without ``stream_options``.
    :ivar overrides: what the bridge's configuration says of the model.
    :ivar taken_for: the dialect in the bridge's configuration, if it is not the right one.
    :ivar says: the answers to come.
    :ivar said: the answers that it gave.
    :ivar refused: what it refused, in its words.
    :ivar accepted: the requests that it answered.
    """

    model: str = ""
    overrides: dict[str, str] = field(factory=dict, kw_only=True)
    taken_for: str = field(default="", kw_only=True)
    says: deque[ModelTurn] = field(factory=deque, init=False)
    said: list[ModelTurn] = field(factory=list, init=False)
    refused: list[str] = field(factory=list, init=False)
    accepted: list[dict[str, Any]] = field(factory=list, init=False)

    dialect: ClassVar[str]
    fields: ClassVar[frozenset[str]] = REQUEST_KEYS
    remembers: ClassVar[frozenset[str]] = frozenset()
    thinks_in: ClassVar[str] = "reasoning_content"
    wants: ClassVar[str] = "none"
    usage_unasked: ClassVar[bool] = False

    def __call__(self, received: Received) -> Answer:
        """Refuse a request or answer it."""
        request = received.json
        problem = next(iter(self.problems(request)), None)
        if problem is not None:
            self.refused.append(problem.message)
            return self.refuse(problem)
        self.accepted.append(request)
        self.said.append(self.says.popleft())
        return self.answer(request, self.said[-1])

    def backend(self, reactor: Any) -> ScriptedBackend:
        """Make the server in front of it, which itself is not strict."""
        return ScriptedBackend(reactor, self, models=[self.model], strict=False)

    def problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Yield all reasons to refuse: the service's own, then those that all have."""
        yield from self.own_problems(request)
        plain = self.plain(request)
        for told in problems(plain, self.extensions):
            yield Problem(told)

    def own_problems(self, request: dict[str, Any]) -> Iterable[Problem]:
        """Return the service's own reasons."""
        del request
        return ()

    @property
    def extensions(self) -> frozenset[str]:
        """Name the fields beyond OpenAI's as `claude_bridge.testing.requests` does."""
        return (self.fields - REQUEST_KEYS) | {f"assistant.{name}" for name in self.remembers}

    def plain(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request without what only this service understands inside messages."""
        return request

    def refuse(self, problem: Problem) -> Answer:
        """Put a refusal into the service's envelope; here OpenAI's."""
        return error(problem.status, {"message": problem.message, "type": "invalid_request_error", **problem.more})

    def answer(self, request: dict[str, Any], said: ModelTurn) -> Answer:
        """Stream what is said; the bridge never asks otherwise."""
        assert request["stream"] is True
        chunks = [self.chunk(delta) for delta in self.deltas(request, said)]
        usage = token_usage(len(str(request)) // 4, 7, cached=0)
        finish = self.chunk({}, finish="length" if said.cut else self.finish(said))
        if self.usage_unasked:
            finish["usage"] = usage
        chunks.append(finish)
        if (request.get("stream_options") or {}).get("include_usage"):
            chunks.append(self.chunk(None, usage=usage))
        return sse(events(chunks))

    def chunk(self, delta: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
        """Make a chunk."""
        return chunk(delta, model=self.model, **more)

    def finish(self, said: ModelTurn) -> str:
        """Return the finish reason."""
        return "tool_calls" if said.calls else "stop"

    def deltas(self, request: dict[str, Any], said: ModelTurn) -> Iterator[dict[str, Any]]:
        """Yield the deltas: thinking, text, calls, all in small parts."""
        yield {"role": "assistant", "content": ""}
        yield from self.thinking(said)
        yield from ({"content": part} for part in in_parts(said.text))
        for index, call in enumerate(self.made(request, said)):
            yield from self.calling(index, call)

    def thinking(self, said: ModelTurn) -> Iterable[dict[str, Any]]:
        """Return the deltas of thinking."""
        return ({self.thinks_in: part} for part in in_parts(said.thought)) if self.thinks_in else ()

    def made(self, request: dict[str, Any], said: ModelTurn) -> Iterator[ToolCall]:
        """Yield the calls, numbered through the conversation."""
        before = sum(len(calls_of(message)) for message in request["messages"])
        for number, (name, arguments) in enumerate(said.calls, before):
            yield ToolCall(id=self.call_id(name, number), name=name, arguments=arguments)

    def call_id(self, name: str, number: int) -> str:
        """Make the id of a call."""
        return f"call_{seal(self.dialect, name, number)[:24]}"

    def calling(self, index: int, call: ToolCall) -> Iterator[dict[str, Any]]:
        """Yield the deltas of one call."""
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for part in in_parts(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}

    def wanted(self, request: Mapping[str, Any]) -> dict[str, str]:
        """Return the thinking that a request brought back, of those turns of which the service wants it."""
        question = last_question(request["messages"])
        found = {}
        for at, message in answers_of(request):
            called = bool(calls_of(message))
            if self.wants == "all" or (
                called and (self.wants == "calls" or (self.wants == "question" and at > question))
            ):
                found[key_of(message)] = self.thought_in(message)
        return found

    def thought_in(self, message: Mapping[str, Any]) -> str:
        """Return what an assistant message of the history carries of thinking."""
        return str(message.get(self.thinks_in) or "")


def empty_answers(request: Mapping[str, Any]) -> Iterator[int]:
    """Number the assistant's messages that hold neither words nor calls, whatever was thought."""
    for at, message in answers_of(request):
        if not calls_of(message) and not text_of(message["content"]):
            yield at


def json_problems(request: Mapping[str, Any], told: str) -> Iterator[Problem]:
    """Refuse JSON that nobody speaks of: models write blanks for ever then."""
    kind = request.get("response_format", {}).get("type")
    if kind == "json_object" and "json" not in str(request["messages"]).lower():
        yield Problem(told)


def seal(*values: object) -> str:
    """Return what only the service can make of these: its signature, in hex."""
    return sha256(repr(("not for clients", *values)).encode()).hexdigest()


def in_parts(text: str) -> Iterator[str]:
    """Cut a text into the pieces of its deltas."""
    return (text[at : at + PART] for at in range(0, len(text), PART))


def calls_of(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return a message's calls."""
    return message.get("tool_calls") or ()


def answers_of(request: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Return the assistant's messages with their numbers."""
    return [(at, one) for at, one in enumerate(request["messages"]) if one["role"] == "assistant"]


def last_question(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of the last user message, not counting those directly behind tool results.

    -1 if there is none.
    """
    found = -1
    for at, message in enumerate(messages):
        if message["role"] == "user" and (at == 0 or messages[at - 1]["role"] != "tool"):
            found = at
    return found


def key_of(message: Mapping[str, Any]) -> str:
    """Return by what an answer of the history is known again, see `ModelTurn.key`."""
    calls = calls_of(message)
    return str(calls[0]["function"]["arguments"]) if calls else text_of(message["content"])


def text_of(content: Any) -> str:
    """Return the text of a content field."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())
