"""A scripted backend with Anthropic's Messages API on a real loopback socket, as strict as Anthropic's own.

It signs the thinking that it gives out, and refuses a conversation with thinking that it has not signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import json_answer
from claude_bridge.testing.loopback import LoopbackServer
from claude_bridge.testing.messages import message_error
from claude_bridge.testing.received import Received

__all__ = ["MessagesBackend"]

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
MODELS = "/v1/models"
BYTES_PER_TOKEN = 4


@define(eq=False)
class MessagesBackend(LoopbackServer):
    """A fake backend: it records what it is asked and answers what it is told to.

    :ivar script: makes the answers that were not queued.
    :ivar secret: what it signs with; two backends with different ones do not take each other's thinking.
    :ivar checks_signatures: whether thinking that it has not signed is refused, as by Anthropic itself.
    :ivar thinking_first: whether the last assistant message must begin with thinking where thinking is enabled.
    :ivar key_header: the header that must have ``api_key``, if there is one.
    """

    script: Callable[[Received], Answer] | None = None
    models: list[str] = field(factory=lambda: ["claude-test"], kw_only=True)
    secret: str = field(default="anthropic", kw_only=True)
    checks_signatures: bool = field(default=True, kw_only=True)
    thinking_first: bool = field(default=False, kw_only=True)
    api_key: str | None = field(default=None, kw_only=True, repr=False)
    key_header: str = field(default="x-api-key", kw_only=True)
    requests: list[Received] = field(factory=list, init=False)
    _queue: deque[Answer] = field(factory=deque, init=False)

    @property
    def url(self) -> str:
        """Return the base URL, as ``ANTHROPIC_BASE_URL`` has it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Received]:
        """Return the requests for messages among all."""
        return [one for one in self.requests if one.path.partition("?")[0] == MESSAGES]

    def enqueue(self, *answers: Answer) -> None:
        """Answer the next requests for messages with these, one each."""
        self._queue.extend(answers)

    def signature(self, thinking: str) -> str:
        """Return the signature of a thinking block."""
        return hmac.digest(self.secret.encode(), thinking.encode(), hashlib.sha256).hex()

    def thinking(self, text: str) -> dict[str, Any]:
        """Return a thinking block that it has signed."""
        return {"type": "thinking", "thinking": text, "signature": self.signature(text)}

    def answer(self, received: Received) -> Answer:
        """Record ``received`` and decide what it is answered."""
        self.requests.append(received)
        return (
            self._refusal(received) or self._listing(received) or self._counting(received) or self._scripted(received)
        )

    def _refusal(self, received: Received) -> Answer | None:
        """Return the answer to a request that no model gets to see, or None."""
        path = received.path.partition("?")[0]
        if self.api_key is not None and received.headers.get(self.key_header) not in self._accepted:
            return message_error(401, "authentication_error", "invalid x-api-key")
        if "anthropic-version" not in received.headers:
            return message_error(400, "invalid_request_error", "anthropic-version: header is required")
        if (received.method, path) == ("GET", MODELS):
            return None
        if received.method != "POST" or path not in {MESSAGES, COUNT}:
            return message_error(404, "not_found_error", "Not Found")
        received.problems = tuple(self._problems(received.json, counting=path == COUNT))
        if received.problems:
            return message_error(400, "invalid_request_error", received.problems[0])
        if received.json["model"] not in self.models:
            return message_error(404, "not_found_error", f"model: {received.json['model']}")
        return None

    def _listing(self, received: Received) -> Answer | None:
        if received.method != "GET":
            return None
        listed = [
            {"type": "model", "id": one, "display_name": one, "created_at": "2026-02-19T00:00:00Z"}
            for one in self.models
        ]
        return json_answer(200, {"data": listed, "has_more": False, "first_id": None, "last_id": None})

    def _counting(self, received: Received) -> Answer | None:
        if received.path.partition("?")[0] != COUNT:
            return None
        return json_answer(200, {"input_tokens": len(received.body) // BYTES_PER_TOKEN})

    def _scripted(self, received: Received) -> Answer:
        if self._queue:
            return self._queue.popleft()
        if self.script is not None:
            return self.script(received)
        return message_error(500, "api_error", "the test has no answer for this request")

    @property
    def _accepted(self) -> tuple[str, str]:
        return f"{self.api_key}", f"Bearer {self.api_key}"

    def _problems(self, request: Any, *, counting: bool) -> Iterator[str]:  # noqa: ANN401 - JSON
        """Yield why a request is refused, in the API's own words."""
        if not isinstance(request, dict):
            yield "The request body is not valid JSON"
            return
        if not counting and not isinstance(request.get("max_tokens"), int):
            yield "max_tokens: Field required"
        for at, message in enumerate(request.get("messages") or ()):
            blocks = message["content"]
            if not blocks:
                yield f"messages.{at}: all messages must have non-empty content"
            for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
                yield from self._block_problems(block, f"messages.{at}.content.{index}")
        if self.thinking_first and (request.get("thinking") or {}).get("type") == "enabled":
            yield from _order_problems(request["messages"])

    def _block_problems(self, block: dict[str, Any], path: str) -> Iterator[str]:
        match block["type"]:
            case "thinking" if self.checks_signatures and block.get("signature") != self.signature(block["thinking"]):
                yield f"{path}: Invalid `signature` in `thinking` block"
            case "redacted_thinking" if self.checks_signatures:
                yield f"{path}: Invalid `data` in `redacted_thinking` block"
            case "web_search_tool_result" if "cbs1." in str(block):
                yield f"{path}: Invalid `encrypted_content` in `search_result` block"


def _order_problems(messages: list[dict[str, Any]]) -> Iterator[str]:
    said = [(at, each["content"]) for at, each in enumerate(messages) if each["role"] == "assistant"]
    at, blocks = said[-1] if said else (0, "")
    if isinstance(blocks, list) and blocks[0]["type"] not in {"thinking", "redacted_thinking"}:
        yield (
            f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{blocks[0]['type']}`. When `thinking` is enabled, a final `assistant` message must start with a "
            "thinking block (preceding the lastmost set of `tool_use` and `tool_result` blocks)"
        )
