"""Promises of the remedies: which refusals are worth another try, and what they teach."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.chat_completions.errors.adjustments import Lesson
from claude_bridge.core.chat_completions.errors.classification import UpstreamFailure
from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.services.exchange.remedy import MAX_RETRIES, AskAgain, RetryBudget, missing_capability, remedy
from claude_bridge.services.knowledge.profiles import ModelProfile
from tests.core.asking import IMAGE, asked, tool, translate, user

TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, you requested {} tokens "
    "({} in the messages, {} in the completion)."
)

TARGET = Target(model="m", reasoning_echo="current_turn")
BARE = Lesson(trait="schema", value="bare")
SCHEMA = AskAgain(why="schema = bare", lesson=BARE)
ECHO = AskAgain(why="echo", refuses_reasoning=True)


def sent(max_tokens: int | None = 4000, *, echoed: bool = False, **fields: Any) -> Translation:
    """Make what was sent."""
    target = Target(model="m", alternate=True)
    return evolve(translate(asked(user("hi"), **fields), target), max_tokens=max_tokens, echoed=echoed)


def refused(message: str, status: int = 400) -> UpstreamFailure:
    """Make a refusal."""
    return UpstreamFailure(status=status, message=message)


class RemedyTests:
    """What a refusal teaches and whether to ask again."""

    def test_overflow_is_shrunk_once_the_prompt_fits(self) -> None:
        """Where prompt and answer together are too long, less is asked for, and the window is remembered."""
        note = ModelProfile()
        retry = remedy(refused(TOO_LONG.format(9000, 5000, 4000)), sent(), note, estimate=1, window=None)
        assert retry is not None
        assert (retry.why, note.context_window) == ("shrink", 8192)
        assert retry.max_tokens == 8192 - 5000 - 256

    def test_prompt_that_is_too_long_is_not_tried_again(self) -> None:
        """No smaller answer makes room for a prompt that does not fit; the window is remembered all the same."""
        note = ModelProfile()
        assert remedy(refused(TOO_LONG.format(13000, 9000, 4000)), sent(), note, estimate=1, window=None) is None
        assert note.context_window == 8192

    def test_limit_is_learned(self) -> None:
        """The request is sent again within a model's own limit, which is not remembered before that helped."""
        note = ModelProfile()
        told = "max_tokens is too large: 4000. This model supports at most 2048 completion tokens"
        assert remedy(refused(told), sent(), note, estimate=1, window=None) == AskAgain(why="limit", limit=2048)
        assert note == ModelProfile()

    def test_limit_above_what_was_asked_teaches_nothing(self) -> None:
        """A number that was kept is not what the refusal is about."""
        note = ModelProfile()
        told = "max_tokens is too large. This model supports at most 4000 completion tokens"
        assert remedy(refused(told), sent(4000), note, estimate=1, window=None) is None
        assert note.max_output_tokens is None

    def test_limit_of_something_else_teaches_nothing(self) -> None:
        """A refusal that names max_tokens beside another parameter's limit does not shrink the answers to come."""
        note = ModelProfile()
        told = "max_tokens must be an integer, top_p must be less than or equal to 1"
        assert remedy(refused(told), sent(), note, estimate=1, window=None) is None
        assert note == ModelProfile()

    def test_tiny_window_teaches_nothing(self) -> None:
        """A window that leaves no room for an answer was said of something else."""
        note = ModelProfile()
        told = "context length is only 512 tokens, your request has 900 input tokens"
        assert remedy(refused(told), sent(), note, estimate=1, window=None) is None
        assert note == ModelProfile()

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
        note = ModelProfile()
        failure = refused(message, status)
        retry = remedy(failure, sent(echoed=True), note, estimate=1, window=None)
        assert retry == AskAgain(why="echo", refuses_reasoning=True)
        assert note == ModelProfile()

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
        note = ModelProfile()
        assert remedy(refused(message, status), sent(echoed=echoed), note, estimate=1, window=None) is None
        assert not note.refuses_reasoning

    def test_traits_are_learned(self) -> None:
        """The request is asked as a refusal shows the model to want it, which is not remembered before that helped."""
        note = ModelProfile()
        told = "Failed to initialize samplers: failed to parse grammar"
        retry = remedy(refused(told), sent(tools=[tool("a")]), note, estimate=1, window=None)
        assert retry == AskAgain(why="schema = bare", lesson=BARE)
        assert note == ModelProfile()

    def test_lists_of_levels_are_one_reason(self) -> None:
        """A server that names other levels each time is asked once more, not for ever."""
        failure = refused("reasoning_effort must be one of low, high")
        target = Target(model="m", reasoning_control="effort")
        asking = asked(user("hi"), output_config={"effort": "max"})
        retry = remedy(failure, translate(asking, target), ModelProfile(), estimate=1, window=None)
        assert retry is not None
        assert (retry.why, retry.lesson) == (
            "reasoning_levels",
            Lesson(trait="reasoning_levels", value=("low", "high")),
        )

    def test_limits_come_before_lessons(self) -> None:
        """A refusal that tells a limit teaches the limit."""
        note = ModelProfile()
        told = "max_tokens is too large: 4000. This model supports at most 2048 completion tokens, not 4000"
        assert remedy(refused(told), sent(), note, estimate=1, window=None) == AskAgain(why="limit", limit=2048)

    def test_nothing_to_learn(self) -> None:
        """Words that nobody knows teach nothing."""
        note = ModelProfile()
        assert remedy(refused("Something else is wrong"), sent(), note, estimate=1, window=None) is None
        assert note == ModelProfile()


class TriesTests:
    """What is tried for one request, and when it is remembered."""

    def test_each_reason_is_good_for_one_retry(self) -> None:
        """What was tried and refused is not tried again."""
        tries = RetryBudget()
        assert tries.apply(SCHEMA)
        assert not tries.apply(SCHEMA)
        assert tries.allow("empty")
        assert not tries.allow("empty")

    def test_retries_are_bounded(self) -> None:
        """A server that finds something else to refuse each time gets no more than four more requests."""
        tries = RetryBudget()
        assert [tries.allow(str(number)) for number in range(MAX_RETRIES + 2)] == [True] * MAX_RETRIES + [False] * 2
        assert not tries.apply(SCHEMA)
        assert tries.with_adjustments(TARGET) == TARGET

    def test_lessons_shape_this_request(self) -> None:
        """All that was taken together is what is tried next."""
        tries = RetryBudget()
        dropped = Lesson(trait="drop", value=("temperature",))
        for retry in (SCHEMA, AskAgain(why="drop", lesson=dropped), AskAgain(why="limit", limit=900), ECHO):
            assert tries.apply(retry)
        wanted = evolve(TARGET, schema="bare", drop=("temperature",), max_output_tokens=900, reasoning_echo="never")
        assert tries.with_adjustments(TARGET) == wanted

    def test_later_lesson_on_one_trait_wins(self) -> None:
        """Where the first cure did not help, the second one is tried instead."""
        tries = RetryBudget()
        assert tries.apply(AskAgain(why="schema = moonshot", lesson=Lesson(trait="schema", value="moonshot")))
        assert tries.apply(SCHEMA)
        assert tries.with_adjustments(TARGET).schema == "bare"

    def test_limit_is_only_lowered(self) -> None:
        """A limit that is configured lower stays."""
        tries = RetryBudget()
        assert tries.apply(AskAgain(why="limit", limit=900))
        assert tries.with_adjustments(evolve(TARGET, max_output_tokens=500)).max_output_tokens == 500

    def test_shrunk_answer_holds(self) -> None:
        """What an overflow left for the answer is asked for in all later tries, wherever they go."""
        tries = RetryBudget()
        assert tries.apply(AskAgain(why="shrink", max_tokens=2000))
        assert tries.apply(SCHEMA)
        tries.reset()
        assert tries.max_tokens == 2000

    def test_nothing_is_remembered_before_it_helped(self) -> None:
        """A note is as it was until the request was answered, and then knows everything that was tried."""
        tries, note = RetryBudget(), ModelProfile(used=7.0, overrides={"alternate": True})
        for retry in (SCHEMA, AskAgain(why="limit", limit=900), ECHO):
            assert tries.apply(retry)
        assert note == ModelProfile(used=7.0, overrides={"alternate": True})
        tries.remember(note)
        overrides = {"alternate": True, "schema": "bare"}
        assert note == ModelProfile(
            used=7.0, overrides=overrides, max_output_tokens=900, limit_at=7.0, refuses_reasoning=True
        )

    def test_another_choice_begins_anew(self) -> None:
        """What one model refused is neither tried with the next one nor remembered of it."""
        tries, note = RetryBudget(), ModelProfile()
        assert tries.apply(SCHEMA)
        tries.reset()
        assert tries.with_adjustments(TARGET) == TARGET
        tries.remember(note)
        assert note == ModelProfile()
        assert tries.apply(SCHEMA)


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
