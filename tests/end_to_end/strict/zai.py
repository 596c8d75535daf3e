"""Z.ai's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import ToolCall, error
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.service import Problem, Service, seal

UNKNOWN = {"stream_options", "max_completion_tokens", "parallel_tool_calls", "seed", "n"}
INVALID = "Invalid API parameter, please check the documentation."


@define(eq=False)
class Zai(Service):
    """GLM.

    Refused: any tool choice but ``auto`` (hindsight 4246), one without tools (oh-my-openagent 6753), fields that it
    does not know and ``strict`` (docs/servers.md 2.8; the body is kilocode 13069's), a JSON schema for the answer
    (docs.z.ai), a conversation in which no user speaks (opencode 2557). A long call comes in one piece unless
    ``tool_stream`` is asked for; thinking of the history is only used where it is complete and kept (docs.z.ai,
    thinking mode), which the tests look at.

    :ivar in_one_piece: calls that were not streamed.
    """

    model: str = "glm-5.2"
    in_one_piece: int = 0
    dialect = "zai"
    fields = REQUEST_KEYS - UNKNOWN | {"thinking", "tool_stream", "do_sample"}
    remembers = frozenset({"reasoning_content"})
    wants: ClassVar[str] = "calls"
    usage_unasked = True

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what Z.ai refuses."""
        if request.get("tool_choice", "auto") != "auto":
            yield Problem("Tool choice must be auto", more={"code": "1210"})
        stray = "tool_choice" in request and not request.get("tools")
        strict = any("strict" in tool["function"] for tool in request.get("tools", ()))
        shaped = request.get("response_format", {}).get("type") == "json_schema"
        if stray or strict or shaped or request.keys() - self.fields:
            yield Problem(INVALID, more={"code": "1210"})
        if not any(message["role"] == "user" for message in request["messages"]):
            yield Problem("The messages parameter is illegal. Please check the documentation.", more={"code": "1214"})

    def refuse(self, problem: Problem) -> Answer:
        """Refuse with a code and a message."""
        return error(problem.status, {"error": {"code": "1210", **problem.more, "message": problem.message}})

    def deltas(self, request: dict[str, Any], said: Any) -> Iterator[dict[str, Any]]:
        """Join the fragments of a call where nobody asked for them."""
        for delta in super().deltas(request, said):
            if "tool_calls" not in delta or request.get("tool_stream"):
                yield delta
        if not request.get("tool_stream"):
            for index, call in enumerate(self.made(request, said)):
                self.in_one_piece += 1
                yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": whole(call)}]}

    def call_id(self, name: str, number: int) -> str:
        """Make ids with a minus in them."""
        return f"call_-{int(seal(self.dialect, name, number)[:15], 16)}"


def whole(call: ToolCall) -> dict[str, str]:
    """Return a call's function."""
    return {"name": call.name, "arguments": call.arguments}
