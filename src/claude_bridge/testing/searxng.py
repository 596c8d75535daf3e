"""A fake SearXNG on a real loopback socket, for tests and for trying web search without the web.

``python -m claude_bridge.testing.searxng --port 8888`` finds three made-up pages for whatever it is asked.
It is as strict as the real one: a request without a question gets 400, and one for a form that ``search.formats``
does not have gets 403.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from claude_bridge.testing.answers import Answer, Cut, Pause, Repeat, Send, Stall
from claude_bridge.testing.chat import json_answer
from claude_bridge.testing.loopback import LoopbackServer
from claude_bridge.testing.received import Received

__all__ = ["BEHAVIOURS", "FakeSearXNG", "found", "page"]

Finds = Callable[[str], Sequence[Mapping[str, Any]]]


def page(title: str, url: str, content: str, published: str | None = None) -> dict[str, Any]:
    """Make one entry of ``results`` with the keys of a real one."""
    return {
        "url": url,
        "title": title,
        "content": content,
        "publishedDate": published,
        "thumbnail": None,
        "engine": "fake",
        "template": "default.html",
        "parsed_url": list(urlsplit(url)[:3]),
        "engines": ["fake"],
        "positions": [1],
        "score": 1.0,
        "category": "general",
    }


def found(*results: Mapping[str, Any], query: str = "", unresponsive: Sequence[tuple[str, str]] = ()) -> Answer:
    """Make an answer with ``results``; ``unresponsive`` are engines that did not answer, and why."""
    return json_answer(
        200,
        {
            "query": query,
            "number_of_results": 0,
            "results": list(results),
            "answers": [],
            "corrections": [],
            "infoboxes": [],
            "suggestions": [],
            "unresponsive_engines": [list(one) for one in unresponsive],
        },
    )


def _three(query: str) -> Sequence[Mapping[str, Any]]:
    return [
        page(f"{query} ({number})", f"https://page-{number}.example/", f"What page {number} says of {query}.")
        for number in (1, 2, 3)
    ]


_HTML: Final = (("content-type", "text/html; charset=utf-8"),)
_JSON: Final = (("content-type", "application/json"),)

BEHAVIOURS: Final[Mapping[str, Answer]] = {
    "nothing found": found(),
    "no engine answers": found(unresponsive=[("google", "CAPTCHA"), ("bing", "timeout")]),
    "too many requests": Answer(429, _HTML, (Send(b"<h1>Too Many Requests</h1>"),)),
    "broken": Answer(500, _HTML, (Send(b"<h1>Internal Server Error</h1>"),)),
    "redirects": Answer(302, (("location", "http://127.0.0.1:1/search"),)),
    "garbage": Answer(200, _JSON, (Send(b'{"results": [\xff\xfe'),)),
    "no results in it": json_answer(200, {"error": "none"}),
    "never answers": Answer(200, _JSON, (Stall(),)),
    "stops in the middle": Answer(200, _JSON, (Send(b'{"results": ['), Stall())),
    "cut in the middle": Answer(200, _JSON, (Send(b'{"results": ['), Cut())),
    "cut before the head": Answer(200, _JSON, (Cut(),)),
    "slow": Answer(200, _JSON, (Pause(0.2), *found(page("Slow", "https://slow.example/", "At last.")).steps)),
    "huge": Answer(200, _JSON, (Send(b'{"results": ["'), Repeat(b"x" * 1024, 16 * 1024), Send(b'"]}'))),
}
"""Answers of servers that behave badly, by name; each can be queued as it is."""


@define(eq=False)
class FakeSearXNG(LoopbackServer):
    """A search server that records what it is asked, and finds what it is told to.

    :ivar finds: makes the results for a question where no answer is queued.
    :ivar formats: ``search.formats`` of its settings.
    :ivar requests: all that it was asked, in order.
    """

    finds: Finds = _three
    formats: Sequence[str] = field(default=("html", "json"), kw_only=True)
    requests: list[Received] = field(factory=list, init=False)
    _queue: deque[Answer] = field(factory=deque, init=False)

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def questions(self) -> list[str]:
        """Return the questions, in order."""
        return [_fields(one).get("q", "") for one in self.requests]

    def enqueue(self, *answers: Answer) -> None:
        """Answer the next questions with these, one each."""
        self._queue.extend(answers)

    def answer(self, received: Received) -> Answer:
        """Record the question and decide what is found."""
        self.requests.append(received)
        fields = _fields(received)
        if urlsplit(received.path).path != "/search":
            return Answer(404, _HTML, (Send(b"<h1>Page not found</h1>"),))
        if not fields.get("q"):
            return Answer(400, _JSON, (Send(json.dumps({"error": "No query"}).encode()),))
        if fields.get("format", "html") not in self.formats:
            return Answer(403, _HTML, (Send(b"<h1>Forbidden</h1>"),))
        if self._queue:
            return self._queue.popleft()
        if fields.get("format") != "json":
            return Answer(200, _HTML, (Send(b"<html>results for a person</html>"),))
        return found(*self.finds(fields["q"]), query=fields["q"])


def _fields(received: Received) -> dict[str, str]:
    return {key: values[-1] for key, values in parse_qs(urlsplit(received.path).query).items()}


def _serve(reactor: Any, port: int) -> Deferred[None]:  # noqa: ANN401 - any reactor
    server = FakeSearXNG(reactor)
    server.start(port)
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    return Deferred()  # until Ctrl-C


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="python -m claude_bridge.testing.searxng", description=__doc__)
    _parser.add_argument("--port", type=int, default=8888, help="TCP port on 127.0.0.1 (0: any free one)")
    react(_serve, [_parser.parse_args().port])
