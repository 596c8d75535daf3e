"""Tests for `claude_bridge.services.exchange.lessons`: what the next request knows from this one."""

from __future__ import annotations

from claude_bridge.testing.chat import chat_stream
from tests.services.exchange.stage import HELLO, ONE, Stage, configured, refusal

TOO_LONG = refusal(
    "This model's maximum context length is 8192 tokens. However, you requested 13000 tokens "
    "(5000 in the messages, 8000 in the completion)."
)
PROMPT_TOO_LONG = refusal("prompt is too long: 9000 tokens > 8192 maximum")
NO_WINDOW = ONE.replace("context_window = 100000\n", "")
LIMIT = refusal("max_tokens is too large: 8000. This model supports at most 2048 completion tokens")


class WindowTests:
    """Context windows that refusals name."""

    def test_window_is_remembered(self) -> None:
        """Where no window is configured, the next request is clamped to the one that an error told."""
        stage = Stage(configured(NO_WINDOW))
        stage.run()
        stage.call.answer(TOO_LONG, status=400)
        stage.call.answer(*HELLO)
        stage.run()
        assert stage.sent["max_tokens"] < 8000
        assert stage.sent["max_tokens"] >= 1024

    def test_configured_window_stays(self) -> None:
        """A smaller window in one refusal shrinks that request's answer, not those of the requests to come."""
        stage = Stage()
        stage.run()
        stage.call.answer(TOO_LONG, status=400)
        assert stage.sent["max_tokens"] == 8192 - 5000 - 256
        stage.call.answer(*HELLO)
        stage.run()
        assert stage.sent["max_tokens"] == 8000

    def test_remembered_window_serves_an_error_without_numbers(self) -> None:
        """Once the window is known, an overflow that names no numbers is told with it."""
        stage = Stage(configured(NO_WINDOW))
        stage.run()
        stage.call.answer(PROMPT_TOO_LONG, status=400)
        stage.run()
        stage.call.answer(refusal("context size has been exceeded"), status=400)
        assert stage.error.message.endswith("> 8192 maximum")


class AdjustmentTests:
    """Ways of asking that were found out."""

    def test_not_before_it_helped(self) -> None:
        """What a refusal shows is remembered when the changed request was answered, not before."""
        stage = Stage()
        stage.run()
        stage.call.answer(LIMIT, status=400)
        assert stage.sent["max_tokens"] == 2048
        stage.call.answer(refusal("no"), status=400)
        stage.run()
        assert stage.sent["max_tokens"] == 8000
        stage.call.answer(LIMIT, status=400)
        stage.call.answer(*HELLO)
        stage.run()
        assert stage.sent["max_tokens"] == 2048


class DialectTests:
    """Backends whose dialect is not decided yet."""

    def test_observed(self) -> None:
        """An answer may show which server it is."""
        stage = Stage()
        backend = stage.config.backends["box"]
        stage.run()
        assert stage.detection.is_undecided(backend)
        stage.call.answer(*chat_stream(text="hi", model="m"), headers={"server": "llama.cpp"})
        stage.run()
        assert not stage.detection.is_undecided(backend)
