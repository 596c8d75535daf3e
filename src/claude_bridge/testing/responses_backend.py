"""A scripted server of the Responses API on a real loopback socket; strict, as OpenAI is."""

from __future__ import annotations

from typing import ClassVar

from attrs import define

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.received import Received
from claude_bridge.testing.response_requests import problems

__all__ = ["ResponsesBackend"]


@define(eq=False)
class ResponsesBackend(ScriptedBackend):
    """A fake backend as `ScriptedBackend`, for requests of the Responses API."""

    endpoint: ClassVar[str] = "/v1/responses"

    def find_problems(self, received: Received) -> tuple[str, ...]:
        """Return everything that is wrong with a request."""
        return problems(received.json)
