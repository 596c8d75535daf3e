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
from claude_bridge.testing.chat import error, json_answer
from claude_bridge.testing.friendly import Friendly
from claude_bridge.testing.received import Received
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
