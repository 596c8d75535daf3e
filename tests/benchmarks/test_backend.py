"""The fake backend looks into the requests that reach it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from benchmarks import children, mark, requests
from benchmarks.backend import fault
from benchmarks.scenarios import SCENARIOS


def request(**changed: Any) -> bytes:
    """Return a chat completion request as it must look after the translation of a Claude Code request."""
    call = {"id": "call", "type": "function", "function": {"name": "Tool01", "arguments": "{}"}}
    pair = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "done"}]
    return json.dumps({"model": "bench-model", "messages": pair * 24, "tools": [{}] * 25, **changed}).encode()


class FaultTests:
    """`fault`."""

    def test_a_whole_request_has_none(self) -> None:
        """25 tools, 24 calls and 24 results are all there."""
        assert fault(SCENARIOS["cc"], request()) is None

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"tools": [{}] * 24}, "24 tools, not 25"),
            ({"messages": [{"role": "tool"}] * 24}, "0 calls, not 24"),
            ({"messages": [{"role": "assistant", "tool_calls": [{}] * 24}]}, "0 results, not 24"),
            ({"model": "other"}, "model 'other'"),
        ],
    )
    def test_what_was_lost_is_said(self, changed: dict[str, Any], reason: str) -> None:
        """A gateway that drops tools, calls or results is not measured as a fast one."""
        assert fault(SCENARIOS["cc"], request(**changed)) == reason

    @pytest.mark.parametrize(
        ("old", "new", "reason"), [(b"", b"", None), (b'"tools":[', b'"tools": [', "it was not passed on as it is")]
    )
    def test_what_is_passed_through_is_unchanged(self, old: bytes, new: bytes, reason: str | None) -> None:
        """A request in the client's own API has its own bytes."""
        scenario = SCENARIOS["cc_passed"]
        sent = requests.render(scenario).replace(mark.blank("cc_passed").encode(), mark.mark("cc_passed", 7).encode())
        assert fault(scenario, sent.replace(old, new)) == reason


class BackendTests:
    """The process."""

    @pytest.mark.parametrize(("path", "status"), [("/v1/chat/completions", b"400"), ("/v1/messages", b"200")])
    def test_what_gateways_translated_is_looked_into(self, path: str, status: bytes) -> None:
        """A chat completion request that has lost its tools is refused; what a relay passes on is another API's."""
        body = request(tools=[], system=mark.blank("cc"))
        head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()

        assert asyncio.run(answered(head + body)).split()[1] == status


async def answered(sent: bytes) -> bytes:
    """Return the first line of the backend's answer."""
    async with children.backend(0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        line = await reader.readline()
        writer.close()
        return line
