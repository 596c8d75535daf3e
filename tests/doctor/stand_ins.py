"""Backends that are good, or broken in one way each, and the examination of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from claude_bridge.config.secret import Secret
from claude_bridge.doctor.checks import order
from claude_bridge.doctor.examination import Check, Examination, examine
from claude_bridge.doctor.finding import Finding
from claude_bridge.doctor.services import make_services
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, error, json_answer, sse
from claude_bridge.testing.friendly import Friendly
from claude_bridge.testing.messages import message_error, message_stream
from claude_bridge.testing.messages_backend import MessagesBackend
from claude_bridge.testing.received import Received
from claude_bridge.testing.responses import response_stream, response_usage
from claude_bridge.testing.responses_backend import ResponsesBackend
from tests.services.exchange.stage import configured

NAME = "test-model"
WINDOW = 131_072
NO_SUCH_PATH = error(404, "<html><head><title>404 Not Found</title></head><body>404 Not Found</body></html>")


@define(eq=False)
class StandIn(ScriptedBackend):
    """A friendly backend with other lists and pages than the scripted one has.

    :ivar pages: answers by method and path, before anything else, or what returns the next one.
    :ivar listed: entries of the list of models, as they are; without them each model has a large window.
    :ivar late: it looks at the key only where a model would be asked.
    :ivar needs_some_key: what has no key at all is refused at once.
    """

    pages: dict[tuple[str, str], Answer | Callable[[], Answer]] = field(factory=dict, kw_only=True)
    listed: Sequence[Mapping[str, Any]] = field(default=(), kw_only=True)
    late: bool = field(default=False, kw_only=True)
    needs_some_key: bool = field(default=False, kw_only=True)

    def answer(self, received: Received) -> Answer:
        """Decide by the pages, else as usual."""
        path = received.path.partition("?")[0]
        page = self.pages.get((received.method, path)) or self.pages.get((received.method, "*"))
        if page is not None:
            self.requests.append(received)
            return page if isinstance(page, Answer) else page()
        is_list = received.method == "GET" and path == "/v1/models"
        is_chat = received.method == "POST" and path == "/v1/chat/completions"
        is_empty = is_chat and not (received.json or {}).get("messages")
        if self.needs_some_key and "authorization" not in received.headers:
            self.requests.append(received)
            return error(401, {"message": "Missing API key."})
        if (is_list or is_empty) and (self.late or self.api_key is None or self._authorized(received)):
            self.requests.append(received)
            return self._list() if is_list else error(400, {"message": "messages: field required"})
        return super().answer(received)

    def _list(self) -> Answer:
        listed = self.listed or [entry(name, context_length=WINDOW) for name in self.models]
        return json_answer(200, {"object": "list", "data": list(listed)})


@define(eq=False)
class MessagesStandIn(MessagesBackend):
    """A friendly backend with the Messages API, whose answers follow from what it is asked.

    :ivar pages: answers by method and path, before anything else.
    :ivar refuses: returns why a request for a message is refused, "" if it is not.
    :ivar tools_as_text: calls are written into the text.
    :ivar counts: how many tokens a prompt of so many bytes has.
    :ivar windows: the list of models has their windows.
    """

    pages: dict[tuple[str, str], Answer] = field(factory=dict, kw_only=True)
    refuses: Callable[[Received], str] = field(default=lambda _: "", kw_only=True)
    tools_as_text: bool = field(default=False, kw_only=True)
    counts: Callable[[int], int] = field(default=lambda size: size // 4, kw_only=True)
    windows: bool = field(default=True, kw_only=True)

    def answer(self, received: Received) -> Answer:
        """Decide by the pages, else as usual."""
        path = received.path.partition("?")[0]
        page = self.pages.get((received.method, path)) or self.pages.get((received.method, "*"))
        if page is not None:
            self.requests.append(received)
            return page
        answer = super().answer(received)
        if self.windows and (received.method, path, answer.status) == ("GET", "/v1/models", 200):
            listed = [{"type": "model", "id": name, "max_input_tokens": WINDOW} for name in self.models]
            return json_answer(200, {"data": listed, "has_more": False})
        return answer

    def friendly(self, received: Received) -> Answer:
        """Answer a request for a message."""
        refusal = self.refuses(received)
        if refusal:
            return message_error(400, "invalid_request_error", refusal)
        request, said = received.json, str(received.json["messages"][-1]["content"])
        choice = request.get("tool_choice", {}).get("type", "auto")
        call = {"type": "tool_use", "id": "toolu_9", "name": "get_weather", "input": {"city": "Paris"}}
        blocks: list[dict[str, Any]] = [{"type": "text", "text": f"You said: {said[:400]}"}]
        if "get_weather" in said and "tool_result" not in said and choice != "none":
            text = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
            blocks = [{"type": "text", "text": text} if self.tools_as_text else call]
        elif request.get("thinking", {}).get("type") == "adaptive":
            blocks.insert(0, self.thinking("It is asked."))
        usage = {"input_tokens": self.counts(len(received.body)), "output_tokens": 1}
        return sse(message_stream(*blocks, model=request["model"], usage=usage))


@asynccontextmanager
async def messages_served(reactor: Any, **how: Any) -> AsyncIterator[MessagesStandIn]:
    """Serve a stand-in of the Messages API."""
    server = MessagesStandIn(reactor, **{"checks_signatures": False, **how})
    server.script = server.friendly
    server.start()
    try:
        yield server
    finally:
        await server.stop()


def friendly_response(received: Received) -> Answer:
    """Answer a request of the Responses API: call the tool that is asked for, and think where that is asked."""
    request = received.json
    last, choice = str(request["input"][-1]), request.get("tool_choice", "auto")
    if request.get("tools") and "get_weather {" in last and choice != "none":
        call = ToolCall(id="call_1", name="get_weather", arguments='{"city":"Paris"}')
        return sse(response_stream(calls=(call,)))
    thinks = (request.get("reasoning") or {}).get("effort") not in {None, "none"}
    size = len(received.body) // 4
    return sse(response_stream(text="You said it.", reasoning="So." if thinks else "", usage=response_usage(size, 7)))


@asynccontextmanager
async def responses_served(reactor: Any, **how: Any) -> AsyncIterator[ResponsesBackend]:
    """Serve a friendly backend with the Responses API."""
    server = ResponsesBackend(reactor, friendly_response, **how)
    server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def served(reactor: Any, script: Any = None, **how: Any) -> AsyncIterator[StandIn]:
    """Serve a stand-in, friendly unless it has another script."""
    server = StandIn(reactor, Friendly() if script is None else script, **how)
    server.start()
    try:
        yield server
    finally:
        await server.stop()


def entry(name: str = NAME, owner: str = "scripted", **more: Any) -> dict[str, Any]:
    """Return an entry of a list of models."""
    return {"id": name, "object": "model", "owned_by": owner, **more}


def sometimes(applies: Callable[[dict[str, Any]], object], answer: Answer) -> Callable[[Received], Answer]:
    """Return a script that gives ``answer`` to some requests, and a friendly one to the others."""
    friendly = Friendly()
    return lambda received: answer if applies(received.json) else friendly(received)


async def examined(
    reactor: Any,
    url: str,
    ini: str = "",
    *,
    model: str = "",
    quick: bool = True,
    patience: float = 5.0,
    client: str = "",
    more: str = "",
    by_option: bool = False,
    checks: Sequence[Check] = (),
) -> list[Finding]:
    """Return what the doctor finds; ``ini`` are lines of the backend's section, ``more`` other sections.

    ``checks``: those to make, instead of all of a quick or a whole examination.
    """
    done = await examination_of(
        reactor,
        url,
        ini,
        model=model,
        quick=quick,
        patience=patience,
        client=client,
        more=more,
        by_option=by_option,
        checks=checks,
    )
    return done.findings


async def examination_of(reactor: Any, url: str, ini: str = "", **how: Any) -> Examination:
    """Return the examination when it is over."""
    config = configured(f"[backend:tower]\nurl = {url}\n{ini}\n{how.get('more', '')}")
    services = make_services(config, reactor)
    services.asker.patience = how.get("patience", 5.0)
    client = Secret(how["client"]) if how.get("client") else None
    try:
        backend = config.backends["tower"]
        examination = await services.examination(
            backend, client, model=how.get("model", ""), by_option=how.get("by_option", False)
        )
        await examine(examination, how.get("checks") or order.chosen(quick=how.get("quick", True)))
    finally:
        await services.close()
    return examination


def wrong(findings: Sequence[Finding]) -> list[tuple[int, str]]:
    """Return number and level of what is not well."""
    return [(each.number, each.level) for each in findings if each.level != "ok"]


def first(findings: Sequence[Finding]) -> Finding:
    """Return the first that is not well."""
    return next(each for each in findings if each.level != "ok")


def of(findings: Sequence[Finding], number: int) -> Finding:
    """Return the last finding of one check."""
    return [each for each in findings if each.number == number][-1]
