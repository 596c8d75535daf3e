"""Tests for `claude_bridge.services.exchange.explainer`: what a client is told of a backend's refusal."""

from __future__ import annotations

import pytest

from tests.services.exchange.stage import ONE, Stage, configured, refusal

FORWARD = ONE.replace("credentials = none", "credentials = forward")
KEYED = ONE.replace("url =", "api_key = owners-secret\nurl =")


class ExplainerTests:
    """A refusal in the words for the client."""

    def test_circumstances(self) -> None:
        """The error names where the request went, by the url that was asked, and the model that the client wanted."""
        stage = Stage()
        stage.run(model="claude-opus-5-5")
        stage.call.answer(b"404 page not found", status=404)
        assert "http://box:8000/v1/chat/completions" in stage.error.message

    @pytest.mark.parametrize(("text", "secret"), [(FORWARD, "client-secret"), (KEYED, "owners-secret")])
    def test_backend_that_quotes_the_key(self, text: str, secret: str) -> None:
        """A key that a backend quotes in its error reaches nobody."""
        stage = Stage(configured(text))
        stage.run("client-secret")
        stage.call.answer(refusal(f"wrong credential {secret}!"), status=400)
        assert secret not in stage.error.message
        assert "wrong credential" in stage.error.message

    def test_short_key_does_not_garble_messages(self) -> None:
        """A made-up key that is an ordinary word is no secret worth cutting out of a sentence."""
        stage = Stage(configured(FORWARD))
        stage.run("x")
        stage.call.answer(refusal("too expensive"), status=400)
        assert "too expensive" in stage.error.message
