"""Tests for `claude_bridge.core.tokens.request_count`: tokens of a request, without asking anybody."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from claude_bridge.core.conversation import Conversation
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.opaque_state import OpaqueState, pack_state
from claude_bridge.core.tokens.estimator import (
    MESSAGE_TOKENS,
    REPLY_TOKENS,
    TOOL_TOKENS,
    estimate_json,
    estimate_text,
    rough_tokens,
)
from claude_bridge.core.tokens.media import PDF_PAGE_TOKENS, UNKNOWN_IMAGE_TOKENS
from claude_bridge.core.tokens.request_count import Count, count, quick_estimate, text_difference
from tests.core.asking import IMAGE, asked, assistant, result, system, text, tool, use, user

SAID = "Some words that are counted, and 12345 numbers."
WORDS = estimate_text(SAID)
EMPTY = REPLY_TOKENS + MESSAGE_TOKENS
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}}
BIG_IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 400_000}}


def neutral(*messages: object, **fields: object) -> Conversation:
    """Return a request in neutral words."""
    return conversation_of(asked(*messages, **fields))


def counted(*messages: object, **fields: object) -> int:
    """Count a request."""
    return count(neutral(*messages, **fields))


class StepTests:
    """A count that is cut into steps."""

    def test_same_as_at_once(self) -> None:
        """A large request takes several steps and comes to the same number."""
        whole = asked(user(*[text(f"{SAID} {number}") for number in range(2000)]), tools=[tool("f"), tool("g")])
        stepwise = Count(conversation_of(whole))
        steps = 1
        while not stepwise.step():
            steps += 1

        assert steps > 2
        assert stepwise.tokens == count(conversation_of(whole))

    def test_small(self) -> None:
        """A small one takes one step."""
        assert Count(neutral(user("a"))).step()


class CountTests:
    """The full count."""

    def test_text(self) -> None:
        """Text costs the same as a string, as a block, and with a marker."""
        assert counted(user(SAID)) == EMPTY + WORDS
        assert counted(user(text(SAID, cache_control={"type": "ephemeral"}))) == EMPTY + WORDS

    def test_system(self) -> None:
        """The system prompt is a message; the attribution line, which is not sent, costs nothing."""
        line = "x-anthropic-billing-header: cc_version=2; cc_entrypoint=cli;"
        blocks = [text(line), text(SAID)]
        assert counted(user(SAID), system=blocks) == EMPTY + MESSAGE_TOKENS + 2 * WORDS
        kept = count(neutral(user(SAID), system=blocks), strip_attribution=False)
        assert kept > counted(user(SAID), system=blocks)

    def test_thinking(self) -> None:
        """Past thinking is counted: it may be sent back."""
        both = counted(user(SAID), assistant({"type": "thinking", "thinking": SAID}, text(SAID)))
        assert both == EMPTY + MESSAGE_TOKENS + 3 * WORDS

    def test_tool_turn(self) -> None:
        """A call costs its name and input, a result its content and a message of its own."""
        called = counted(user(SAID), assistant(use("a", "Read", path=SAID)))
        arguments = estimate_json('{"path":"' + SAID + '"}')
        assert called == EMPTY + MESSAGE_TOKENS + WORDS + estimate_text("Read") + arguments
        answered = counted(user(SAID), assistant(use("a", "Read", path=SAID)), user(result("a", SAID)))
        assert answered == called + 2 * MESSAGE_TOKENS + WORDS

    def test_tools(self) -> None:
        """A tool costs what is sent of it; a deferred one costs nothing until it is loaded."""
        plain = counted(user(SAID))
        one = counted(user(SAID), tools=[tool("Read")])
        expected = TOOL_TOKENS + estimate_text("Read Does Read.") + estimate_json('{"type":"object","properties":{}}')
        assert one - plain == expected
        assert counted(user(SAID), tools=[tool("Read", defer_loading=True)]) == plain
        added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("Read")}}
        assert counted(user(SAID), system(added)) > one

    @pytest.mark.parametrize(
        ("block", "expected"),
        [
            (IMAGE, 1),
            ({"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}, UNKNOWN_IMAGE_TOKENS),
            (PDF, PDF_PAGE_TOKENS),
            ({"type": "document", "source": {"type": "text", "data": SAID}}, WORDS),
            ({"type": "document", "source": {"type": "content", "content": [text(SAID), IMAGE]}}, WORDS + 1),
            ({"type": "compaction", "content": SAID}, WORDS),
        ],
    )
    def test_media(self, block: dict[str, Any], expected: int) -> None:
        """Pictures cost by their size, PDFs by their pages, text documents by their text; in results too."""
        assert counted(user(block)) == EMPTY + expected
        if block["type"] != "compaction":
            inside = counted(user(SAID), assistant(use("a")), user(result("a", [block])))
            bare = counted(user(SAID), assistant(use("a")), user(result("a", [])))
            assert inside - bare == expected

    def test_pdf_as_text(self) -> None:
        """A PDF whose text is sent in its place costs that text under its title; in results too."""
        documents = {PDF["source"]["data"]: SAID}  # type: ignore[index]  # it is a dictionary
        words = estimate_text(f"Document: document.pdf\n{SAID}")
        assert count(neutral(user(PDF)), documents=documents) == EMPTY + words
        inside = [user(SAID), assistant(use("a")), user(result("a", [PDF]))]
        bare = [user(SAID), assistant(use("a")), user(result("a", []))]
        assert count(neutral(*inside), documents=documents) - counted(*bare) == words
        assert count(neutral(user(PDF)), documents={"another": SAID}) == EMPTY + PDF_PAGE_TOKENS

    def test_state(self) -> None:
        """What a backend wants back and cannot be read costs nothing here: nobody knows what it will cost there."""
        state = {"type": "redacted_thinking", "data": pack_state(OpaqueState("d", "m", [SAID]))}
        assert counted(user(SAID), assistant(state, text(SAID))) == counted(user(SAID), assistant(text(SAID)))

    def test_malformed(self) -> None:
        """A malformed block is refused by its path, as in the request itself."""
        with pytest.raises(InvalidRequest, match=r"^messages\.0\.content\.0\.text: Field required$"):
            counted(user({"type": "text"}))


class QuickTests:
    """The guess from the size alone."""

    def test_text(self) -> None:
        """Text costs by its bytes."""
        assert quick_estimate(neutral(user(SAID)), 36_000) == rough_tokens(36_000) + REPLY_TOKENS
        assert quick_estimate(neutral(user(text(SAID * 200))), 36_000) == rough_tokens(36_000) + REPLY_TOKENS

    @pytest.mark.parametrize("inside", [False, True])
    def test_media(self, inside: bool) -> None:
        """A picture counts as one, wherever it stands, and does not shrink the answer's share of the window."""
        block = result("a", [BIG_IMAGE]) if inside else BIG_IMAGE
        assert quick_estimate(neutral(user(block)), 400_360) == rough_tokens(360) + REPLY_TOKENS + UNKNOWN_IMAGE_TOKENS
        document = {"type": "document", "source": {"type": "base64", "data": "A" * 400_000}}
        assert quick_estimate(neutral(user(document)), 400_360) == rough_tokens(360) + REPLY_TOKENS + PDF_PAGE_TOKENS

    def test_beside_text(self) -> None:
        """Text beside a picture costs by its bytes."""
        both = asked(user(result("a", [text(SAID), BIG_IMAGE])))
        assert quick_estimate(conversation_of(both), 400_360) == rough_tokens(360) + REPLY_TOKENS + UNKNOWN_IMAGE_TOKENS

    def test_talk_of_pictures(self) -> None:
        """A text that talks of base64 is text."""
        assert quick_estimate(neutral(user(text('"base64"' * 400))), 3600) == rough_tokens(3600) + REPLY_TOKENS


class AsTextsTests:
    """Documents that are sent as text."""

    @pytest.mark.parametrize("pages", [1, 60])
    def test_guess_is_of_the_text(self, pages: int) -> None:
        """With their texts in place of their pages a quick guess comes near the full count."""
        data = b64encode(b"%PDF-1.7" + b"/Type/Page " * pages + bytes(200 * pages)).decode()
        source = {"type": "base64", "media_type": "application/pdf", "data": data}
        request = asked(user({"type": "document", "source": source}, text(SAID * 50)))
        documents = {data: SAID * pages}
        guessed = quick_estimate(conversation_of(request), len(data) + 50 * len(SAID) + 200) + text_difference(
            documents
        )
        assert 0.6 < guessed / count(conversation_of(request), documents=documents) < 1.6

    def test_none(self) -> None:
        """Without documents nothing changes."""
        assert text_difference({}) == 0
