"""A scripted OpenAI-compatible backend on a real loopback socket, for tests and for trying the bridge.

``python -m claude_bridge.testing.backend --port 8000 --models test-model`` serves friendly answers (see `friendly`).
It is strict: what `requests.problems` finds is refused with 400, and a model that it does not list with 404.
"""

from __future__ import annotations

import argparse
import hmac
import sys
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.task import react

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import CREATED, error, json_answer
from claude_bridge.testing.friendly import Friendly
from claude_bridge.testing.loopback import LoopbackServer
from claude_bridge.testing.received import Received
from claude_bridge.testing.requests import EXTENSIONS, problems

__all__ = ["Script", "ScriptedBackend"]


Script = Callable[[Received], Answer]


@define(eq=False)
class ScriptedBackend(LoopbackServer):
    """A fake backend: it records what it is asked and answers what it is told to.

    :ivar script: makes the answers that were not queued; without it an unexpected request gets 500.
    :ivar models: what ``/v1/models`` lists.
    :ivar model_keys: more keys that every model has there.
    :ivar api_key: the bearer that every request needs, or None.
    :ivar strict: refuse invalid requests and unknown models.
    :ivar extensions: keys beyond OpenAI's that are allowed, see `requests.EXTENSIONS`.
    :cvar endpoint: the path of the requests that are answered.
    """

    endpoint: ClassVar[str] = "/v1/chat/completions"
    script: Script | None = None
    models: list[str] = field(factory=lambda: ["test-model"], kw_only=True)
    model_keys: Mapping[str, object] = field(factory=dict, kw_only=True)
    api_key: str | None = field(default=None, kw_only=True, repr=False)
    strict: bool = field(default=True, kw_only=True)
    extensions: Collection[str] = field(default=EXTENSIONS, kw_only=True)
    requests: list[Received] = field(factory=list, init=False)
    arrivals: DeferredQueue[Received] = field(factory=DeferredQueue, init=False)
    _queue: deque[Answer] = field(factory=deque, init=False)

    @property
    def url(self) -> str:
        """Return the base URL, ending in ``/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Received]:
        """Return the chat completion requests among all."""
        return [one for one in self.requests if self._is_asked(one)]

    def enqueue(self, *answers: Answer) -> None:
        """Answer the next chat completion requests with these, one each."""
        self._queue.extend(answers)

    def answer(self, received: Received) -> Answer:
        """Record ``received`` and decide what it is answered."""
        self.requests.append(received)
        if self.api_key is not None and not self._authorized(received):
            return error(401, {"message": "Incorrect API key provided.", "code": "invalid_api_key"})
        if received.method == "GET" and received.path.partition("?")[0].startswith("/v1/models"):
            return self._models(received.path.partition("?")[0].removeprefix("/v1/models").strip("/"))
        if not self._is_asked(received):
            return error(404, {"message": f"no {received.method} {received.path} here", "type": "not_found_error"})
        self.arrivals.put(received)
        return self._refusal(received) or self._scripted(received)

    def find_problems(self, received: Received) -> tuple[str, ...]:
        """Return everything that is wrong with a request."""
        return problems(received.json, self.extensions)

    def _is_asked(self, received: Received) -> bool:
        return received.method == "POST" and received.path.partition("?")[0] == self.endpoint

    def _authorized(self, received: Received) -> bool:
        told = received.headers.get("authorization", "").encode()
        return hmac.compare_digest(told, f"Bearer {self.api_key}".encode())

    def _models(self, name: str) -> Answer:
        head = {"object": "model", "created": CREATED, "owned_by": "scripted", **self.model_keys}
        listed = [{"id": one, **head} for one in self.models]
        if not name:
            return json_answer(200, {"object": "list", "data": listed})
        found = [one for one in listed if one["id"] == name]
        return json_answer(200, found[0]) if found else _no_model(name)

    def _refusal(self, received: Received) -> Answer | None:
        received.problems = self.find_problems(received)
        if not self.strict:
            return None
        if received.problems:
            told = "; ".join(received.problems)
            return error(400, {"message": told, "type": "invalid_request_error"})
        if received.json["model"] not in self.models:
            return _no_model(received.json["model"])
        return None

    def _scripted(self, received: Received) -> Answer:
        if self._queue:
            return self._queue.popleft()
        if self.script is not None:
            return self.script(received)
        return error(500, {"message": "the test has no answer for this request", "type": "server_error"})


def _no_model(name: str) -> Answer:
    message = f"The model `{name}` does not exist."
    return error(404, {"message": message, "type": "invalid_request_error", "code": "model_not_found"})


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m claude_bridge.testing.backend", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="TCP port on 127.0.0.1 (0: any free one)")
    parser.add_argument("--models", default="test-model", help="what /v1/models lists, separated by commas")
    parser.add_argument("--api-key", help="the bearer that requests need (default: none is needed)")
    parser.add_argument("--reasoning", choices=("auto", "always", "never"), default="auto", help="when to think aloud")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two deltas")
    return parser.parse_args(arguments)


def _serve(reactor: Any, options: argparse.Namespace) -> Deferred[None]:  # noqa: ANN401 - any reactor
    script = Friendly(reasoning=options.reasoning, pause=options.pause)
    backend = ScriptedBackend(reactor, script, models=options.models.split(","), api_key=options.api_key)
    backend.start(options.port)
    sys.stdout.write(f"listening on {backend.url}\n")
    sys.stdout.flush()
    return Deferred()  # until Ctrl-C


if __name__ == "__main__":
    react(_serve, [_options(None)])
