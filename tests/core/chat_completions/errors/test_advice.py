"""Tests for `claude_bridge.core.chat_completions.errors.advice`: which refusals are worth another try, and why."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.backend_api import Adjustment, Advice, Circumstances, UpstreamFailure
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.errors.advice import advise, describe, explain, missing_capability
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.errors import ContextOverflow, UpstreamServerError
from tests.core.asking import IMAGE, asked, tool, translate, user

TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, you requested {} tokens "
    "({} in the messages, {} in the completion)."
)
CIRCUMSTANCES = Circumstances(
    backend="box", url="http://box/v1", model="m", forwarded=False, estimate=1, scrub=lambda text: text
)


def sent(max_tokens: int | None = 4000, *, echoed: bool = False, **fields: Any) -> Translation:
    """Make what was sent."""
    target = Target(model="m", alternate=True)
    return evolve(translate(asked(user("hi"), **fields), target), max_tokens=max_tokens, echoed=echoed)


def refused(message: str, status: int = 400) -> UpstreamFailure:
    """Make a refusal."""
    return UpstreamFailure(status=status, message=message)


class AdviceTests:
    """What a refusal teaches and whether to ask again."""

    def test_overflow_is_shrunk_once_the_prompt_fits(self) -> None:
        """Where prompt and answer together are too long, less is asked for, and the window is remembered."""
        advice = advise(refused(TOO_LONG.format(9000, 5000, 4000)), sent(), estimate=1)
        shrunk = Adjustment(why="shrink", max_tokens=8192 - 5000 - 256)
        assert advice == Advice(adjustment=shrunk, context_window=8192)

    def test_prompt_that_is_too_long_is_not_tried_again(self) -> None:
        """No smaller answer makes room for a prompt that does not fit; the window is remembered all the same."""
        assert advise(refused(TOO_LONG.format(13000, 9000, 4000)), sent(), estimate=1) == Advice(context_window=8192)

    @pytest.mark.parametrize(("affordable", "expected"), [(3000, 3000), (1000, None), (9000, None)])
    def test_credit(self, affordable: int, expected: int | None) -> None:
        """What an account can still pay for is asked for, if that is an answer worth having."""
        told = (
            "This request requires more credits, or fewer max_tokens. You requested up to 4000 tokens, but can only "
            f"afford {affordable}. To increase, visit the settings"
        )
        adjustment = advise(refused(told, 402), sent(), estimate=1).adjustment
        assert adjustment == (None if expected is None else Adjustment(why="credit", max_tokens=expected))

    def test_limit_is_learned(self) -> None:
        """The request is sent again within a model's own limit, which is not remembered before that helped."""
        told = "max_tokens is too large: 4000. This model supports at most 2048 completion tokens"
        assert advise(refused(told), sent(), estimate=1).adjustment == Adjustment(why="limit", max_output_tokens=2048)

    def test_limit_above_what_was_asked_teaches_nothing(self) -> None:
        """A number that was kept is not what the refusal is about."""
        told = "max_tokens is too large. This model supports at most 4000 completion tokens"
        assert advise(refused(told), sent(4000), estimate=1).adjustment is None

    def test_limit_of_something_else_teaches_nothing(self) -> None:
        """A refusal that names max_tokens beside another parameter's limit does not shrink the answers to come."""
        told = "max_tokens must be an integer, top_p must be less than or equal to 1"
        assert advise(refused(told), sent(), estimate=1).adjustment is None

    def test_tiny_window_teaches_nothing(self) -> None:
        """A window that leaves no room for an answer was said of something else."""
        told = "context length is only 512 tokens, your request has 900 input tokens"
        assert advise(refused(told), sent(), estimate=1) == Advice()

    @pytest.mark.parametrize("status", [400, 422])
    @pytest.mark.parametrize(
        "message",
        [
            "Unknown field: messages.2.reasoning_content",
            "messages.1.reasoning_content: Extra inputs are not permitted",
            "property 'reasoning_content' is unsupported",
            "The reasoning_content in the input must not be passed back",
            "Please remove the reasoning_content from the input messages",
            "'reasoning_content' is not required and not allowed here",
        ],
    )
    def test_refused_reasoning_is_left_out(self, message: str, status: int) -> None:
        """A server that knows no reasoning_content is not sent it again."""
        failure = refused(message, status)
        retry = advise(failure, sent(echoed=True), estimate=1).adjustment
        assert retry == Adjustment(why="echo", refuses_reasoning=True)

    @pytest.mark.parametrize(
        ("echoed", "status", "message"),
        [
            (False, 400, "reasoning_content?"),
            (True, 500, "reasoning_content?"),
            (True, 400, "Unknown field: foo"),
            (True, 400, "The `reasoning_content` in the thinking mode must be passed back to the API."),
            (
                True,
                400,
                "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
            ),
            (True, 422, "messages.3.reasoning_content: Field required"),
            (True, 400, "`reasoning_content` must not be empty"),
        ],
    )
    def test_other_refusals_blame_no_reasoning(self, echoed: bool, status: int, message: str) -> None:
        """Reasoning is given up only when it was sent and the refusal names it."""
        assert advise(refused(message, status), sent(echoed=echoed), estimate=1).adjustment is None

    def test_traits_are_learned(self) -> None:
        """The request is asked as a refusal shows the model to want it, which is not remembered before that helped."""
        told = "Failed to initialize samplers: failed to parse grammar"
        retry = advise(refused(told), sent(tools=[tool("a")]), estimate=1).adjustment
        assert retry == Adjustment(why="schema = bare", overrides={"schema": "bare"})

    def test_lists_of_levels_are_one_reason(self) -> None:
        """A server that names other levels each time is asked once more, not for ever."""
        failure = refused("reasoning_effort must be one of low, high")
        target = Target(model="m", reasoning_control="effort")
        asking = asked(user("hi"), output_config={"effort": "max"})
        retry = advise(failure, translate(asking, target), estimate=1).adjustment
        assert retry is not None
        assert (retry.why, retry.overrides) == ("reasoning_levels", {"reasoning_levels": ("low", "high")})

    def test_limits_come_before_lessons(self) -> None:
        """A refusal that tells a limit teaches the limit."""
        told = "max_tokens is too large: 4000. This model supports at most 2048 completion tokens, not 4000"
        assert advise(refused(told), sent(), estimate=1).adjustment == Adjustment(why="limit", max_output_tokens=2048)

    def test_nothing_to_learn(self) -> None:
        """Words that nobody knows teach nothing."""
        assert advise(refused("Something else is wrong"), sent(), estimate=1).adjustment is None


class CapabilityTests:
    """What the client can leave out."""

    def test_images(self) -> None:
        """A client whose images are refused is told so in the way that makes it leave them out."""
        failure = refused("this model does not support image input")
        with_image = translate(asked(user(IMAGE)), Target(model="m"))
        error = missing_capability(failure, with_image)
        assert error is not None
        assert error.status == 400
        assert str(error) == "capability_rejected: image_block (the backend's model m takes no images)"

    def test_others(self) -> None:
        """Any other refusal is about something else."""
        with_image = translate(asked(user(IMAGE)), Target(model="m"))
        assert missing_capability(refused("image is too large"), with_image) is None
        assert missing_capability(refused("this model does not support image input"), sent()) is None


class ExplanationTests:
    """What the client is told, and what the log says."""

    def test_overflow(self) -> None:
        """A prompt that is too long is told in the words on which clients act."""
        told = explain(refused(TOO_LONG.format(13000, 9000, 4000)), sent(), CIRCUMSTANCES)
        assert isinstance(told.error, ContextOverflow)
        assert (told.error.message, told.log_reason) == ("prompt is too long: 9000 tokens > 8192 maximum", "")

    def test_missing_capability(self) -> None:
        """A model without eyes is told so that the client leaves images out."""
        failure = refused("this model does not support image input")
        told = explain(failure, translate(asked(user(IMAGE)), Target(model="m")), CIRCUMSTANCES)
        assert "capability_rejected: image_block" in told.error.message
        assert told.log_reason == ""

    def test_words_of_the_backend(self) -> None:
        """What quotes nothing is told and logged as it is."""
        told = explain(refused("out of memory", 500), sent(), CIRCUMSTANCES)
        assert isinstance(told.error, UpstreamServerError)
        assert ("out of memory" in told.error.message, told.log_reason) == (True, "")

    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("m", "Name a model that it has in [route:default] of the bridge's configuration, or in ANTHROPIC_MODEL"),
            (
                "other/m",
                "Name a model that it has in [route:default] of the bridge's configuration, or in ANTHROPIC_MODEL",
            ),
            ("box/m", "The request names this backend, so that no route applies: name a model that box has"),
            ("Box,m", "The request names this backend, so that no route applies: name a model that box has"),
            (
                "box/m@claude-bridge",
                "The request names this backend, so that no route applies: name a model that box has",
            ),
        ],
    )
    def test_unknown_model(self, name: str, advice: str) -> None:
        """Where the client names the backend too a route would change nothing, and none is advised."""
        told = explain(refused("no such model", 404), sent(), evolve(CIRCUMSTANCES, model=name)).error.message
        assert told == f"model: m is unknown to backend 'box' (no such model). {advice}"

    def test_quoted_prompt(self) -> None:
        """Words that quote the prompt reach the client, and not the log."""
        secret = "the treasure is buried under the third oak tree behind the old mill"
        request = translate(asked(user(secret)), Target(model="m"))
        failure = UpstreamFailure(status=500, type="oops", message=f"cannot parse: {secret}", answered=500)
        told = explain(failure, request, CIRCUMSTANCES)
        assert "oak tree" in told.error.message
        assert told.log_reason == "backend: 500 oops"
        assert describe(failure, request) == "backend: 500 oops"

    def test_late_failure(self) -> None:
        """An error inside an answer is described by where it stood."""
        failure = UpstreamFailure(status=502, code="17", message="boom", answered=200)
        assert describe(failure, sent()) == "backend: an error inside its answer 17"
