"""Our streams as the official SDKs read them, today's and an old one, and as the API's own schema sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.schema import validate, validate_stream
from tests.core.transcripts import Transcript, transcripts
from tests.end_to_end.sdks import SDKS, read_by_sdk
from tests.end_to_end.sse import read_events
from tests.environments import Environment

COUNT = 600


@pytest.fixture(scope="module")
def readable() -> list[Transcript]:
    """Return transcripts whose tool input is JSON: what the backend left invalid no SDK can read."""
    made = [one for one in transcripts(COUNT) if not one.invalid_input]
    assert len(made) >= 300
    return made


def essence(message: dict[str, Any]) -> dict[str, Any]:
    """Take out of a message what a program looks at; an SDK adds and leaves out some nulls."""
    keys = ("type", "id", "name", "text", "thinking", "signature", "input")
    blocks = [{key: block[key] for key in keys if key in block} for block in message["content"]]
    counts = {key: message["usage"][key] for key in ("input_tokens", "output_tokens")}
    return {"content": blocks, "counts": counts, **{key: message[key] for key in ("id", "model", "stop_reason")}}


@pytest.mark.parametrize("environment", SDKS, ids=[one.name for one in SDKS])
class SDKReaderTests:
    """The SDKs' own accumulators."""

    def test_read(self, readable: list[Transcript], environment: Environment) -> None:
        """Each stream becomes, in the SDK, the message that a client gets which does not stream."""
        results = read_by_sdk(environment, [one.stream for one in readable])
        assert [one.failure for one in results if one.failure is not None] == []
        for result, transcript in zip(results, readable, strict=True):
            assert result.message is not None
            assert transcript.message is not None
            assert essence(result.message) == essence(transcript.message)


class SchemaTests:
    """The API's own schema."""

    def test_streams(self, readable: list[Transcript]) -> None:
        """Each event of each stream is one that the API itself could send."""
        told = {problem for one in readable for problem in validate_stream(read_events(one.stream))}
        assert told == set()

    def test_messages(self, readable: list[Transcript]) -> None:
        """So is each whole message."""
        assert {problem for one in readable for problem in validate("Message", one.message)} == set()
