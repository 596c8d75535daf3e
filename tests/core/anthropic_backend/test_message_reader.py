"""Tests for `claude_bridge.core.anthropic_backend.message_reader`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.anthropic_backend.message_reader import MessageReader
from claude_bridge.core.errors import UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import Event, Finished, FinishReason, Verbatim
from claude_bridge.core.upstream_errors import classification
from tests.core.anthropic_backend.answers import OVERLOADED, STREAM, TOTAL, message
from tests.core.strategies import cut, cuts, in_steps


def read(pieces: list[bytes], **options: Any) -> tuple[list[Event], MessageReader]:
    """Read a body in pieces, to its end."""
    reader = MessageReader(**options)
    reader.begin({"x-vendor": "yes", "server": "nginx"})
    for piece in pieces:
        assert reader.feed(piece) == []
    return reader.close(), reader


class MessageReaderTests:
    """Whole messages."""

    @given(st.data())
    def test_passed_on(self, data: st.DataObject) -> None:
        """A message is passed on byte for byte, with white space around it, however it is cut."""
        body = (
            data.draw(st.sampled_from([b"", b" \n\n", b"\xef\xbb\xbf"]))
            + message()
            + data.draw(st.sampled_from([b"", b"\n"]))
        )
        events, reader = read(cut(body, data.draw(cuts(len(body)))))
        assert events == [
            Verbatim(body, usage=TOTAL, headers=(("x-vendor", "yes"),)),
            Finished(FinishReason.STOPPED, usage=TOTAL),
        ]
        assert reader.done
        assert reader.data_event_seen

    def test_end(self) -> None:
        """Stop reason, sequence and explanation are known."""
        body = message(stop_reason="stop_sequence", stop_sequence="END", stop_details={"explanation": "No."})
        assert read([body])[0][-1] == Finished(FinishReason.STOP_SEQUENCE, "END", TOTAL, "No.")

    def test_unreadable_key(self) -> None:
        """What is no text, in a field that nobody looks at, is the client's to read."""
        body = b'{"type":"message","content":[],"\xff":1,"stop_reason":"max_tokens"}'
        events, reader = read([body])
        assert [type(event) for event in events] == [Verbatim, Finished]
        assert reader.done

    def test_keep_alive(self) -> None:
        """White space before the message says that the backend lives, not that it answers."""
        reader = MessageReader()
        reader.feed(b" \n")
        assert not reader.data_event_seen
        reader.feed(b"{")
        assert reader.data_event_seen

    @pytest.mark.parametrize(
        ("sent", "failure"),
        [
            (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', OVERLOADED),
            (b'{"error":"boom"}', {"error": "boom"}),
            (b"upstream connect error", {"error": "upstream connect error"}),
        ],
    )
    def test_errors(self, sent: bytes, failure: object) -> None:
        """An error with status 200 is a failure in whatever form it comes."""
        events, reader = read(in_steps(sent, 3))
        assert events == []
        assert reader.failure == failure

    def test_page(self) -> None:
        """A web page says what it is."""
        _, reader = read([b"<html><title>Portal</title></html>"])
        assert classification.from_error(reader.failure).page == "Portal"

    @pytest.mark.parametrize("size", [1, 4096])
    def test_stream(self, size: int) -> None:
        """A server that always streams is named as such, at once."""
        reader = MessageReader()
        for piece in in_steps(STREAM[:50], size):
            reader.feed(piece)
        assert isinstance(reader.error, UpstreamProtocolError)
        assert "a stream where a whole message was asked for" in reader.error.message

    @pytest.mark.parametrize("sent", [b"", b" \n", message()[:-5]])
    def test_cut(self, sent: bytes) -> None:
        """An empty body or a part of a message is an answer that was cut off."""
        assert isinstance(read([sent])[1].error, UpstreamCut)

    @pytest.mark.parametrize(
        "sent", [b"{]", message()[:-1] + b",}", message()[:-2] + b"}}}", message().replace(b":", b"", 1)]
    )
    def test_broken_json(self, sent: bytes) -> None:
        """A whole body that is no JSON is a mistake of the backend's, not of the connection."""
        error = read([sent])[1].error
        assert isinstance(error, UpstreamProtocolError)
        assert "broken JSON" in error.message

    def test_chat_completion(self) -> None:
        """An answer in the other API says which kind the backend is of."""
        error = read([b'{"object":"chat.completion","choices":[]}'])[1].error
        assert isinstance(error, UpstreamProtocolError)
        assert "kind = openai" in error.message

    def test_other_json(self) -> None:
        """Any other JSON is no message."""
        error = read([b'{"status":"ok"}'])[1].error
        assert isinstance(error, UpstreamProtocolError)
        assert "neither a message nor an error" in error.message

    def test_too_large(self) -> None:
        """A message beyond the limit is an error."""
        error = read([message(), b" " * 1000], max_answer=1000)[1].error
        assert isinstance(error, UpstreamProtocolError)
        assert "more than 1000 bytes" in error.message

    def test_over(self) -> None:
        """After the end nothing counts any more."""
        _, reader = read([message()])
        assert reader.feed(b"more") == reader.close() == []
        assert reader.finish_seen
