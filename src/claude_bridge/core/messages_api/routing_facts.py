"""What a Messages request shows of its kind; implements `claude_bridge.core.routing.Facts`.

The shapes of Claude Code's side jobs are those of docs/claude-code.md 3.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import define

from claude_bridge.core import strict_json
from claude_bridge.core.conversation import Conversation, Image, Reasoning, ReasoningLevel
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.messages_api.to_conversation import conversation_of, shows_thinking
from claude_bridge.core.messages_api.tool_definitions import WEB_SEARCH
from claude_bridge.core.model_names import plain_name, tier
from claude_bridge.core.tokens.estimator import rough_tokens
from claude_bridge.core.tokens.request_count import quick_estimate

AUXILIARY = "auxiliary"
"""Claude Code's word for its side jobs, in a header that it sends if it is told to give hints to gateways."""

MAX_SAFEGUARDS_BYTES: Final = 256 * 1024
"""Bytes of ``safeguards`` that are looked at, many times what the client sends: they are decoded in one turn."""


@define(eq=False)
class RoutingFacts:
    """Looks at one request when it is asked."""

    _request: MessagesRequest
    _info: RequestInfo

    @property
    def background(self) -> str:
        """Return why this is a side job of the client such as a title, or "" if it is none."""
        if self._info.kind == AUXILIARY:
            return "the client calls it auxiliary"
        if not self._info.kind and self._has_the_shape_of_a_side_job:
            return "a single message of Claude Code, without tools"
        return "tier haiku" if tier(plain_name(self._info.model)) == "haiku" else ""

    @property
    def effort(self) -> ReasoningLevel | None:
        """Return the level of reasoning that the client asks for, or None."""
        reasoning = self._reasoning
        return None if reasoning is None else reasoning.level

    @property
    def thinking_budget(self) -> int | None:
        """Return the tokens of reasoning that the client asks for, or None."""
        reasoning = self._reasoning
        return None if reasoning is None else reasoning.budget

    @property
    def tokens(self) -> int:
        """Return the estimated tokens of the prompt."""
        read, size = self._conversation, self._info.body_bytes
        return rough_tokens(size) if read is None else quick_estimate(read, size)

    @property
    def web_search(self) -> bool:
        """Whether the request has Anthropic's own tool for web search."""
        return any((tool.type or "").startswith(WEB_SEARCH) for tool in self._request.tools or ())

    @property
    def image(self) -> bool:
        """Whether the conversation has an image."""
        read = self._conversation
        return read is not None and any(isinstance(medium, Image) for medium in read.media)

    @property
    def subagent(self) -> bool:
        """Whether a subagent asks."""
        return bool(self._info.agent)

    @property
    def permission_mode(self) -> str:
        """Return the client's permission mode where it says so, else ""."""
        safeguards = self._request.safeguards
        if not strict_json.present(safeguards) or len(bytes(safeguards)) > MAX_SAFEGUARDS_BYTES:
            return ""
        try:
            found: Any = strict_json.decode(bytes(safeguards))
        except strict_json.JsonError:
            return ""
        for each in found if isinstance(found, list) else ():
            context = each.get("classifier_context") if isinstance(each, dict) else None
            mode = context.get("permission_mode") if isinstance(context, dict) else None
            if isinstance(mode, str):
                return mode
        return ""

    @property
    def _conversation(self) -> Conversation | None:
        """Return the request in neutral terms; None if only a backend that is passed it can read it."""
        try:
            return conversation_of(self._request)
        except InvalidRequest:
            return None

    @property
    def _reasoning(self) -> Reasoning | None:
        read = self._conversation
        return None if read is None else read.reasoning

    @property
    def _has_the_shape_of_a_side_job(self) -> bool:
        """Whether Claude Code asks for a title or the summary of a page: one message, no tools, no stop sequence.

        Its check of commands has a stop sequence, and is too important to be taken for one.
        """
        request = self._request
        is_single = len(request.messages) == 1 and not request.tools and not request.stop_sequences
        return bool(self._info.session) and is_single and not shows_thinking(request.thinking)
