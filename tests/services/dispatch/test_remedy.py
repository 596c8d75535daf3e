"""Promises of the remedies: which refusals are worth another try, and what they teach."""

from __future__ import annotations

import pytest

from claude_bridge.core.failures import UpstreamFailure
from claude_bridge.core.request import Translation
from claude_bridge.services.dispatch.remedy import Retry, remedy
from claude_bridge.services.learned import Note

TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, you requested {} tokens "
    "({} in the messages, {} in the completion)."
)


def sent(max_tokens: int | None = 4000, *, echoed: bool = False) -> Translation:
    """Make what was sent."""
    return Translation(body=b"{}", tool_names={}, max_tokens=max_tokens, with_tools=False, echoed=echoed)


def refused(message: str, status: int = 400) -> UpstreamFailure:
    """Make a refusal."""
    return UpstreamFailure(status=status, message=message)


class RemedyTests:
    """What a refusal teaches and whether to ask again."""

    def test_overflow_is_shrunk_once_the_prompt_fits(self) -> None:
        """Where prompt and answer together are too long, less is asked for, and the window is remembered."""
        note = Note()
        retry = remedy(refused(TOO_LONG.format(9000, 5000, 4000)), sent(), note, estimate=1, window=None)
        assert retry is not None
        assert (retry.why, note.context_window) == ("shrink", 8192)
        assert retry.max_tokens == 8192 - 5000 - 256

    def test_prompt_that_is_too_long_is_not_tried_again(self) -> None:
        """No smaller answer makes room for a prompt that does not fit; the window is remembered all the same."""
        note = Note()
        assert remedy(refused(TOO_LONG.format(13000, 9000, 4000)), sent(), note, estimate=1, window=None) is None
        assert note.context_window == 8192

    def test_limit_is_learned(self) -> None:
        """A model's own limit is kept, and the request sent again within it."""
        note = Note()
        told = "max_tokens is too large: 4000. This model supports at most 2048 completion tokens"
        assert remedy(refused(told), sent(), note, estimate=1, window=None) == Retry(why="limit")
        assert note.max_output_tokens == 2048

    def test_limit_above_what_was_asked_teaches_nothing(self) -> None:
        """A number that was kept is not what the refusal is about."""
        note = Note()
        told = "max_tokens is too large. This model supports at most 4000 completion tokens"
        assert remedy(refused(told), sent(4000), note, estimate=1, window=None) is None
        assert note.max_output_tokens is None

    def test_limit_of_something_else_teaches_nothing(self) -> None:
        """A refusal that names max_tokens beside another parameter's limit does not shrink the answers to come."""
        note = Note()
        told = "max_tokens must be an integer, top_p must be less than or equal to 1"
        assert remedy(refused(told), sent(), note, estimate=1, window=None) is None
        assert note == Note()

    def test_tiny_window_teaches_nothing(self) -> None:
        """A window that leaves no room for an answer was said of something else."""
        note = Note()
        told = "context length is only 512 tokens, your request has 900 input tokens"
        assert remedy(refused(told), sent(), note, estimate=1, window=None) is None
        assert note == Note()

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
        note = Note()
        failure = refused(message, status)
        assert remedy(failure, sent(echoed=True), note, estimate=1, window=None) == Retry(why="echo")
        assert note.refuses_reasoning

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
        note = Note()
        assert remedy(refused(message, status), sent(echoed=echoed), note, estimate=1, window=None) is None
        assert not note.refuses_reasoning
