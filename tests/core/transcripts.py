"""Whole ways through the core: bytes of a backend in, both forms of our answer out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from claude_bridge.core.backend_api import AnswerReader
from claude_bridge.core.chat_completions.answer.reader import Reader
from claude_bridge.core.chat_completions.dialect import GENERIC, Dialect
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.messages_api.event_stream import StreamWriter
from claude_bridge.core.messages_api.whole_message import Accumulator
from tests.core.strategies import ODD_ARGUMENTS, in_steps, upstream_streams


@frozen(kw_only=True)
class Transcript:
    """One answer of a backend and what became of it.

    :ivar stream: for a client that streams.
    :ivar message: decoded, for a client that does not; None where the answer failed.
    :ivar failure: what the backend reported inside its answer.
    :ivar error: what was wrong with the answer itself.
    """

    upstream: bytes
    stream: bytes
    message: dict[str, Any] | None
    failure: object = None
    error: BridgeError | None = None

    @property
    def invalid_input(self) -> bool:
        """Return whether the backend's tool arguments stayed no JSON, which no SDK can read."""
        blocks = self.message["content"] if self.message is not None else []
        return any("__unparsedToolInput" in block.get("input", ()) for block in blocks)


def counted() -> Callable[[int], bytes]:
    """Return a source of bytes that are different each time and the same in each run."""
    numbers = itertools.count(1)
    return lambda count: next(numbers).to_bytes(count, "little")


def carried(
    pieces: Iterable[bytes], *, show_reasoning: bool = True, dialect: Dialect = GENERIC, **reader_options: Any
) -> Transcript:
    """Carry a backend's chat completion, as its reads arrive, to both kinds of client."""
    reader = Reader(dialect=dialect, random_bytes=counted(), **reader_options)
    return carried_by(reader, pieces, show_reasoning=show_reasoning)


def carried_by(reader: AnswerReader, pieces: Iterable[bytes], *, show_reasoning: bool = True) -> Transcript:
    """Carry an answer of any kind of backend to both kinds of client."""
    pieces = list(pieces)
    writer = StreamWriter(message_id="msg_1", model="m", input_tokens=5, show_reasoning=show_reasoning)
    accumulator = Accumulator(message_id="msg_1", model="m", input_tokens=5, show_reasoning=show_reasoning)
    out = []
    for events in (*map(reader.feed, pieces), reader.close()):
        out.append(writer.write(events))
        accumulator.add(events)
    return Transcript(
        upstream=b"".join(pieces),
        stream=b"".join(out),
        message=json.loads(accumulator.body()) if accumulator.finished is not None else None,
        failure=reader.failure,
        error=reader.error,
    )


def allowed_input(text: str) -> bool:
    """Return whether tool input is one that the strategy broke on purpose."""
    return text in ODD_ARGUMENTS


def transcripts(count: int) -> list[Transcript]:
    """Make that many different transcripts of finished answers, the same ones in each run."""
    made: list[Transcript] = []

    @seed(20_261_121)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(upstream_streams(), st.integers(1, 100), st.booleans())
    def make(upstream: bytes, size: int, show: bool) -> None:
        made.append(carried(in_steps(upstream, size), show_reasoning=show))

    make()
    return made
