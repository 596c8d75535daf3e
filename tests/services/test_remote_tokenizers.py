"""Promises of the backends' own counters."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import TokenizerEndpoint
from claude_bridge.core.chat_completions.dialects.llamacpp import LlamaCpp
from claude_bridge.core.chat_completions.dialects.sglang import Sglang
from claude_bridge.core.chat_completions.dialects.vllm import Vllm
from claude_bridge.core.errors import UpstreamUnreachable
from claude_bridge.services.interfaces import TokenCount
from claude_bridge.services.remote_tokenizers import MAX_ABSENT, MAX_BODY_BYTES, RemoteTokenizers
from claude_bridge.testing.fakes import FakeCall, FakeUpstreamClient
from tests.services.exchange.echo_kind import EchoRequest

BACKEND = Backend(name="b", url="http://backend.test/llm/v1")
COUNTER = TokenizerEndpoint(path="/tokenize", key="count", window="max_model_len", fields=("model", "messages"))
CHAT = b'{"model":"m","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"h\\u00e4"}]}'


class CounterTests:
    """What a prompt is, by the backend's own count."""

    def setup_method(self) -> None:
        """Make counters of a clock and a backend of our own."""
        self.clock = Clock()
        self.client = FakeUpstreamClient()
        self.counters = RemoteTokenizers(self.client, self.clock)

    def count(
        self, tokenizer: TokenizerEndpoint | None = COUNTER, backend: Backend = BACKEND, chat: bytes = CHAT
    ) -> list[object]:
        """Count; the list gets what comes out."""
        assert tokenizer is not None
        told: list[object] = []
        Deferred.fromCoroutine(self.counters.count(backend, tokenizer, Secret("sk"), EchoRequest(chat))).addBoth(
            told.append
        )
        return told

    def answer(self, value: object) -> FakeCall:
        """Answer the last question with ``value`` as JSON."""
        self.client.last.answer(json.dumps(value).encode())
        return self.client.last

    def test_asks(self) -> None:
        """The counter gets those parts of the request that it takes, byte for byte, and the credential."""
        self.count()
        request = self.client.last.request
        assert (request.method, request.url) == ("POST", "http://backend.test/llm/tokenize")
        assert request.body == b'{"model":"m","messages":[{"role":"user","content":"h\\u00e4"}]}'
        assert dict(request.headers)["Authorization"] == "Bearer sk"

    def test_vllm(self) -> None:
        """VLLM tells the count, its window and all the tokens (serve/tokenize/protocol.py)."""
        told = self.count(Vllm().tokenizer)
        self.answer({"count": 3, "max_model_len": 4096, "tokens": [1, 2, 3], "token_strs": None})
        assert told == [TokenCount(tokens=3, window=4096)]

    def test_sglang(self) -> None:
        """SGLang tells the same, but its window is not what is served (serving_tokenize.py)."""
        told = self.count(Sglang().tokenizer)
        self.answer({"tokens": [1, 2, 3], "count": 3, "max_model_len": 131072})
        assert told == [TokenCount(tokens=3)]

    def test_llamacpp(self) -> None:
        """llama.cpp's counter is behind the base URL (recorded from build 11549)."""
        told = self.count(LlamaCpp().tokenizer)
        assert self.client.last.request.url == "http://backend.test/llm/v1/chat/completions/input_tokens"
        self.answer({"input_tokens": 339, "object": "response.input_tokens"})
        assert told == [TokenCount(tokens=339)]

    @pytest.mark.parametrize(
        "value",
        [
            None,
            [],
            "x",
            {},
            {"count": [3]},
            {"count": True},
            {"count": -1},
            {"count": 2.5},
            {"count": "3"},
            {"count": 10**30},
            {"count": 2**53 + 1},
            {"count": None, "max_model_len": 5},
        ],
    )
    def test_no_number(self, value: object) -> None:
        """What is no number of tokens is not taken for one."""
        told = self.count()
        self.answer(value)
        assert told == [None]

    @pytest.mark.parametrize("window", [None, 0, -1, "4096", 1e30, True, [1], {"a": 1}])
    def test_no_window(self, window: object) -> None:
        """A window that is none costs no count."""
        told = self.count()
        self.answer({"count": 3, "max_model_len": window})
        assert told == [TokenCount(tokens=3)]

    @given(st.binary(max_size=40))
    def test_any_bytes(self, body: bytes) -> None:
        """Whatever comes, it is a count or none."""
        self.setup_method()
        told = self.count()
        self.client.last.answer(body)
        assert told == [None] or isinstance(told[0], TokenCount)

    def test_many_tokens(self) -> None:
        """The tokens of a million are read past."""
        told = self.count()
        tokens = b",".join([b"100000"] * 1_000_000)
        self.client.last.answer(b'{"count":1000000,"max_model_len":1048576,"tokens":[' + tokens + b"]}")
        assert told == [TokenCount(tokens=1_000_000, window=1_048_576)]

    def test_endless(self) -> None:
        """An answer without end is cut off."""
        told = self.count()
        self.client.last.head()
        self.client.last.data(b" " * (MAX_BODY_BYTES + 1))
        assert self.client.last.cancelled
        assert told == [None]

    def test_slow(self) -> None:
        """Nobody waits longer than three seconds."""
        told = self.count()
        self.clock.advance(2.9)
        assert told == []
        self.clock.advance(0.1)
        assert told == [None]
        assert self.client.last.cancelled

    @pytest.mark.parametrize("status", [404, 405, 501])
    def test_absent(self, status: int) -> None:
        """A backend without a counter is asked again after ten minutes, and not before."""
        told = self.count()
        self.client.last.head(status)
        assert told == [None]
        self.clock.advance(599)
        assert self.count() == [None]
        assert len(self.client.calls) == 1
        self.clock.advance(1)
        assert self.count() == []
        assert len(self.client.calls) == 2

    def test_absent_here_only(self) -> None:
        """Other backends and models, and the same ones under another dialect, are asked all the same."""
        self.count()
        self.client.last.head(404)
        self.count(backend=evolve(BACKEND, name="other"))
        self.count(LlamaCpp().tokenizer)
        self.count(chat=CHAT.replace(b'"m"', b'"another"'))
        assert len(self.client.calls) == 4

    def test_absent_is_bounded(self) -> None:
        """However many names clients make up, only the latest are remembered."""
        for number in range(MAX_ABSENT + 1):
            self.count(chat=b'{"model":"%d"}' % number)
            self.client.last.head(404)
        self.count(chat=b'{"model":"1"}')
        assert len(self.client.calls) == MAX_ABSENT + 1
        self.count(chat=b'{"model":"0"}')
        assert len(self.client.calls) == MAX_ABSENT + 2

    @pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
    def test_passing_failure(self, status: int) -> None:
        """Other refusals may pass, and hold for that prompt alone."""
        told = self.count()
        self.client.last.head(status)
        assert told == [None]
        self.count()
        assert len(self.client.calls) == 2

    def test_unreachable(self) -> None:
        """So may a backend that is down."""
        told = self.count()
        self.client.last.end(UpstreamUnreachable("refused"))
        assert told == [None]
        self.count()
        assert len(self.client.calls) == 2

    def test_cancelled(self) -> None:
        """Who leaves takes the question along."""
        waiting = Deferred.fromCoroutine(self.counters.count(BACKEND, COUNTER, None, EchoRequest(CHAT)))
        gone: list[object] = []
        waiting.addErrback(lambda failure: gone.append(failure.check(CancelledError)))
        waiting.cancel()
        assert self.client.last.cancelled
        assert gone == [CancelledError]
        assert self.clock.getDelayedCalls() == []
