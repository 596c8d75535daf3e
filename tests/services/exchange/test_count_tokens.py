"""Promises of ``count_tokens``: the backend's own count where it has one, the learned one elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from claude_bridge.core.errors import InvalidRequest, ModelNotAllowed
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.services.interfaces import TokenCount
from claude_bridge.testing.chat import chat_stream, token_usage
from tests.services.exchange.stage import ONE, Stage, asking, configured

LLAMACPP = ONE.replace("url =", "dialect = llamacpp\nurl =")


def succeeded(deferred: Deferred[int]) -> int:
    """Return the result of a Deferred that has fired; raises what it failed with."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    counted: int = result
    return counted


class LocalTests:
    """Backends without a counter."""

    LONG = "The quick brown fox jumps over the lazy dog. " * 300

    def counted(self, stage: Stage, model: str = "glm") -> int:
        """Count a long question."""
        asked = parsing.decode(json.dumps(asking(model=model, messages=self.long())).encode(), counting=True)
        return succeeded(
            Deferred.fromCoroutine(stage.admission.counts.count(AskedRequest(asked), request_info(asked, {}, 0), None))
        )

    def long(self) -> list[dict[str, str]]:
        """Make a long question."""
        return [{"role": "user", "content": self.LONG}]

    def test_learns_from_answers(self) -> None:
        """After an answer, the same prompt is counted as the backend counted it."""
        stage = Stage()
        before = self.counted(stage)
        true = round(before * 1.3)
        stage.run(messages=self.long())
        stage.call.answer(*chat_stream(text="yes", usage=token_usage(true, 2)))
        assert abs(self.counted(stage) - true) <= 1

    def test_unknown_model_is_counted(self) -> None:
        """A model that nothing serves is counted too: clients count before they ask."""
        several = "[backend:a]\nurl = http://127.0.0.1:1/v1\n[backend:b]\nurl = http://127.0.0.1:2/v1\n"
        assert self.counted(Stage(configured(several)), "nobody") > 1000


class KeyTests:
    """Clients whose keys may not use every model."""

    def test_model_that_may_not_be_used(self) -> None:
        """Nobody counts for a model that cannot be asked; for one that can the answer is a number."""
        text = LLAMACPP.replace("= none", "= keys") + "[key:bob]\nsecret = b\nmodels = glm\n"
        stage = Stage(configured(text))

        def counted(model: str) -> int:
            asked = AskedRequest(parsing.decode(json.dumps(asking(model=model)).encode(), counting=True))
            counting = stage.admission.counts.count(asked, request_info(asked.request, {}, 0), None, key="bob")
            return succeeded(Deferred.fromCoroutine(counting))

        assert counted("glm") > 0
        asked = len(stage.counters.asked)
        with pytest.raises(ModelNotAllowed):
            counted("box/other")
        assert len(stage.counters.asked) == asked


class CounterTests:
    """Backends that count themselves."""

    def stage(self, counted: TokenCount | None, text: str = LLAMACPP) -> Stage:
        """Make a stage whose backend counts so."""
        stage = Stage(configured(text))
        stage.counters.counted = counted
        return stage

    def counted(self, stage: Stage, **more: Any) -> int:
        """Count a small question."""
        asked = parsing.decode(json.dumps(asking(**more)).encode(), counting=True)
        return succeeded(
            Deferred.fromCoroutine(stage.admission.counts.count(AskedRequest(asked), request_info(asked, {}, 0), None))
        )

    def test_its_count_counts(self) -> None:
        """The backend is asked with the very request that would be sent, and its number is the answer."""
        stage = self.stage(TokenCount(tokens=1234))
        assert self.counted(stage, tools=[{"name": "Bash", "input_schema": {"type": "object"}}]) == 1234
        ((backend, body),) = stage.counters.asked
        sent = json.loads(body)
        assert (backend, sent["model"], sent["tools"][0]["function"]["name"]) == ("box", "zai/GLM", "Bash")

    def test_it_cannot_tell(self) -> None:
        """Where the counter does not answer, the local count does."""
        assert 5 < self.counted(self.stage(None)) < 30

    def test_window(self) -> None:
        """The window that a counter tells is known from then on."""
        stage = self.stage(TokenCount(tokens=9, window=4096), LLAMACPP.replace("context_window = 100000\n", ""))
        self.counted(stage)
        note = stage.profiles.profile("box", "zai/GLM")
        assert note.context_window == note.believed_window() == 4096

    def test_no_counter(self) -> None:
        """A dialect without a counter asks nobody."""
        stage = self.stage(TokenCount(tokens=1234), ONE)
        assert self.counted(stage) < 30
        assert not stage.counters.asked

    def test_key_that_must_not_leave(self) -> None:
        """A key of Anthropic's is sent to no counter: the prompt is counted here."""
        stage = self.stage(TokenCount(tokens=1234), LLAMACPP.replace("credentials = none", "credentials = forward"))
        assert self.counted(stage) < 30
        assert not stage.counters.asked

    def test_malformed(self) -> None:
        """A malformed block is told by its path, as without a counter."""
        with pytest.raises(InvalidRequest, match=r"messages\.0\.content\.0"):
            self.counted(self.stage(TokenCount(tokens=1)), messages=[{"role": "user", "content": [{"type": "text"}]}])

    def test_document(self) -> None:
        """A document that would be sent as text is counted as text."""
        stage = self.stage(None)
        source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
        question = [{"role": "user", "content": [{"type": "document", "source": source}]}]
        asked = parsing.decode(json.dumps(asking(messages=question)).encode(), counting=True)
        counting: Deferred[int] = Deferred.fromCoroutine(
            stage.admission.counts.count(AskedRequest(asked), request_info(asked, {}, 0), None)
        )
        stage.documents.give("word " * 500)
        assert 400 < succeeded(counting) < 700
