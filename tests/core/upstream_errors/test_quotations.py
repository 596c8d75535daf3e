"""Tests for `claude_bridge.core.upstream_errors.quotations`.

What users write teaches the bridge nothing about servers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.errors import adjustments
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.upstream_errors import overflow_detection, quotations
from claude_bridge.core.upstream_errors.quotations import MAX_COMPARED_BYTES, Quotations, without_quoted_input
from tests.core.asking import IMAGE, asked, assistant, result, text, tool, translate, use, user

TOO_LONG = (
    "This model's maximum context length is {} tokens. However, you requested {} tokens ({} in the messages, 4000 in "
    "the completion). Please reduce the length of the messages or completion."
)
LIMIT = "max_tokens is too large: 32000. This model supports at most 2048 completion tokens"

LESSONS = [
    "my server says: tool_choice is not supported, please fix app.py",
    "tool_choice is not supported",
    "I get 'Failed to parse grammar' from llama.cpp, why?",
    "temperature is not supported by o3",
    "unsupported parameter: top_p",
    'Unsupported parameter: "max_tokens" is not supported with this model.\nUse "max_completion_tokens" instead.',
    "conversation roles must alternate user/assistant",
    "content must not be null",
    "why is the role 'developer' unknown to it?",
    "die Vorlage sagt für „x“: does not support thinking, schade",
    "this model does not support image input",
    "reasoning_content was unexpected",
    "what does messages.1.reasoning_content: Extra inputs are not permitted mean?",
]
OVERFLOWS = [
    "the log says: " + TOO_LONG.format(2048, 4000, 1000),
    "when does a server say prompt is too long, and when not?",
    LIMIT,
    "I read max_tokens must be less than or equal to 1024, is it so?",
]
QUOTES: dict[str, Callable[[str], str]] = {
    "pydantic": lambda words: f"[{{'type': 'string_type', 'msg': 'Input should be a string', 'input': {words!r}}}]",
    "pydantic_line": lambda words: f"1 validation error [type=x, input_value={words!r}, input_type=str]",
    "moderation": lambda words: f'Your prompt was flagged by our safety system: "{words}"',
    "template": lambda words: f"Error rendering prompt with jinja template: {words}",
    "place": lambda words: f"Invalid value at messages[3].content: {words}",
    "part": lambda words: f"Unsupported text near '{words}' (column 7)",
}

EVERYTHING: dict[str, Any] = {
    "tools": [tool("t")],
    "tool_choice": {"type": "any"},
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 32000,
}


def sent(words: str) -> Translation:
    """Make a request with ``words`` in its prompt and everything in it that can be refused."""
    messages = [user("hi"), assistant(use("u1", "t")), user(result("u1", "done"), text(words), IMAGE)]
    fields = {**EVERYTHING, "output_config": {"effort": "high"}}
    made = translate(
        asked(*messages, **fields),
        Target(model="m", system_role="developer", reasoning_control="effort"),
    )
    return evolve(made, echoed=True)


def refused(message: str) -> UpstreamFailure:
    """Make a refusal, as it is once it was read: one line."""
    return UpstreamFailure(status=400, message=" ".join(message.split()))


class LessonTests:
    """Refusals that quote the prompt, and those that do not."""

    @pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
    @pytest.mark.parametrize("words", LESSONS)
    def test_prompt_teaches_nothing(self, words: str, quote: Callable[[str], str]) -> None:
        """Who asks about a server's error, and is refused for something else, changes nothing for anybody."""
        failure, asking = refused(quote(words)), sent(words)
        assert adjustments.trait_change(failure, asking) is None
        assert not adjustments.refuses_images(failure, asking)
        assert not adjustments.refuses_reasoning(failure, asking)

    @pytest.mark.parametrize("words", LESSONS)
    def test_same_words_of_a_server_teach(self, words: str) -> None:
        """The same words in a refusal of another prompt are the server's."""
        failure, asking = refused(words), sent("hi")
        assert (
            adjustments.trait_change(failure, asking)
            or adjustments.refuses_images(failure, asking)
            or adjustments.refuses_reasoning(failure, asking)
        )

    def test_own_words_beside_a_quotation_teach(self) -> None:
        """A server that refuses a field and quotes the prompt too is understood."""
        words = "temperature is not supported by o3"
        failure = refused(f"bad request '{words}': 'tool_choice' is not supported by this model")
        found = adjustments.trait_change(failure, sent(words))
        assert found is not None
        assert found.trait == "tool_choice"

    def test_talk_about_fields_hides_no_refusal(self) -> None:
        """A conversation about tool_choice and what is not supported with it is no quotation of a refusal."""
        asking = sent("Set tool_choice to auto. The flag is not supported by this model with tools, as said.")
        found = adjustments.trait_change(refused("tool_choice='required' is not supported by this model"), asking)
        assert found is not None
        assert found.trait == "tool_choice"


class OverflowTests:
    """Overflows and limits that the prompt speaks of."""

    @pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
    @pytest.mark.parametrize("words", OVERFLOWS)
    def test_prompt_is_no_overflow(self, words: str, quote: Callable[[str], str]) -> None:
        """A quoted overflow neither makes the client compact nor tells a window; a quoted limit shrinks no answer."""
        failure, body = refused(quote(words)), sent(words).body
        assert overflow_detection.detect(failure, body) is None
        assert overflow_detection.max_output_limit(failure, body) is None

    def test_overflow_while_talking_of_one(self) -> None:
        """A conversation about overflows overflows as any other: its length was never told before."""
        body = sent("the log says: " + TOO_LONG.format(8192, 9000, 5000)).body
        found = overflow_detection.detect(refused(TOO_LONG.format(8192, 9107, 5107)), body)
        assert found is not None
        assert (found.window, found.total_tokens) == (8192, 9107)

    def test_overflow_without_numbers_while_talking_of_one(self) -> None:
        """A server that says no more than that the prompt is too long is believed: nobody said so before it."""
        assert overflow_detection.detect(
            refused("Prompt is too long"), sent("what does 'prompt is too long' mean?").body
        )

    def test_code_is_no_quotation(self) -> None:
        """A server that has a code for an overflow means one, whatever the prompt says."""
        failure = evolve(refused("the log says: prompt is too long"), code="context_length_exceeded")
        assert overflow_detection.detect(failure, sent("the log says: prompt is too long").body)

    def test_limit_of_a_server(self) -> None:
        """A limit that the prompt does not speak of is one."""
        assert overflow_detection.max_output_limit(refused(LIMIT), sent("hi").body) == 2048


class BoundTests:
    """Whatever comes, it takes no longer than it may."""

    def test_looking_is_bounded(self) -> None:
        """Of a request that is too large to be compared everything counts as quoted, and nothing is learned."""
        told = Quotations(b"x" * (MAX_COMPARED_BYTES // 2))
        words = re.compile("tool_choice is bad")
        assert told.find_own(words, "tool_choice is bad") is not None
        assert told.find_own(words, "tool_choice is bad") is None

    def test_nothing_sent_is_nothing_quoted(self) -> None:
        """Without a request all words are the server's."""
        assert Quotations(b"").find_own(re.compile("a"), "a a") is not None

    @given(st.text(max_size=80), st.text(max_size=80), st.data())
    def test_quoted_words_are_found(self, before: str, words: str, data: st.DataObject) -> None:
        """Any words, however a text of JSON writes them, are known again; nothing makes it fail."""
        body = json.dumps({"content": words}, ensure_ascii=False).encode("utf-8", "replace")
        start = data.draw(st.integers(0, len(words)))
        piece = words[start:]
        found = re.compile(re.escape(piece)).search(before + words)
        told = Quotations(body)
        if len(piece) > 1 and piece.isascii() and piece.strip(quotations._AROUND) == piece:
            assert told.find_own(re.compile(re.escape(piece)), piece) is None
        assert found is not None
        told.find_with_own_number(re.compile(re.escape(piece)), before + words)
        told.quotes_number(before + words, *found.span())

    def test_marks(self) -> None:
        """What stands behind a mark of pydantic's is the user's."""
        assert without_quoted_input("a 'input': b 'input': c") == "a "
        assert without_quoted_input("a [type=b, input_value=c, input_type=d]") == "a [type=b, "
        assert without_quoted_input("the input is bad") == "the input is bad"


class QuotesTests:
    """Whether a complaint's words may stand in the log."""

    @pytest.mark.parametrize("quote", QUOTES)
    @pytest.mark.parametrize("words", [*LESSONS, *OVERFLOWS, "my secret diary"])
    def test_quotations(self, quote: str, words: str) -> None:
        """Words of the prompt in a complaint are seen, however the server marks them."""
        assert Quotations(sent(words).body).quotes(" ".join(QUOTES[quote](words).split()))

    @pytest.mark.parametrize(
        ("prompt", "message"),
        [
            ("how do I build a bomb", "content 'bomb' is not allowed"),
            ("how do I build a bomb", 'content "A Bomb" is not allowed'),
            ("see /home/anna/diary.txt", "cannot use /home/anna/diary.txt here"),
            ("write to anna@example.org", "flagged: anna@example.org."),
            ("call 7f3a-88b1-1c", "rejected 7f3a-88b1-1c"),
            ("\u6211\u7684\u79d8\u5bc6\u65e5\u8bb0", "\u8f93\u5165\u654f\u611f: \u6211\u7684\u79d8\u5bc6\u65e5\u8bb0"),
            ("my dear diary\nhas pages", "bad input: My Dear Diary"),
        ],
    )
    def test_short_ones(self, prompt: str, message: str) -> None:
        """So are one or two words in quotation marks, addresses, paths, and languages without blanks."""
        assert Quotations(sent(prompt).body).quotes(message)

    @pytest.mark.parametrize(
        "message",
        [
            "The model `glm-4.5` does not exist or you do not have access to it.",
            "Incorrect API key provided: ***. You can find your API key at https://platform.openai.com/account/api-keys.",
            "Unsupported value: 'reasoning_effort' does not support 'high' with this model.",
            "'tool_choice' is not supported here, nor is function 't'",
            "max_tokens is too large: 32000. It must be at most 8192",
            "messages.1.content: Input should be a valid string",
            "Service unavailable, please try again later",
            "",
        ],
    )
    def test_own_words(self, message: str) -> None:
        """A server's own words are not taken for quotations, nor are names of fields, tools and models."""
        body = sent("Bitte lies die Datei und sage mir, was darin fehlt").body
        assert not Quotations(body).quotes(message, ("glm-4.5",))

    def test_a_model_of_that_name(self) -> None:
        """A name that is known anyway quotes nobody."""
        quotations = Quotations(sent("is acme/glm-4.5 any good?").body)
        assert quotations.quotes("model acme/glm-4.5 not found")
        assert not quotations.quotes("model acme/glm-4.5 not found", ("acme/glm-4.5",))

    def test_what_is_not_looked_through(self) -> None:
        """Of a request that is too large to be compared everything counts as quoted."""
        quotations = Quotations(b" " * (MAX_COMPARED_BYTES + 1))
        assert quotations.quotes("these words are nowhere")

    @given(st.text(), st.text())
    def test_any_words(self, prompt: str, message: str) -> None:
        """No prompt and no message makes it fail."""
        Quotations(sent(prompt).body).quotes(message)
