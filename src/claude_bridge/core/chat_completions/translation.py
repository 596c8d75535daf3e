"""The neutral conversation -> a chat completion request, for one attempt (docs/chat-completions.md 1.1)."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.chat_completions import chat_codec, chat_fields, chat_tools
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.messages import instructions
from claude_bridge.core.chat_completions.messages.chat_messages import Written, write
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.conversation import NO_DOCUMENTS, Conversation
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.tokens.answer_limit import clamp_max_tokens


@frozen(kw_only=True)
class Translation:
    """One attempt's request.

    :ivar body: the JSON to send.
    :ivar tool_names: the backend's name of a tool -> the client's, where they differ.
    :ivar max_tokens: the limit of the answer that was requested.
    :ivar with_tools: whether tools were sent (the silence limit is longer then).
    :ivar echoed: whether past reasoning was sent back by default, so that it can be left out if refused.
    :ivar fields: everything but the messages, as it was sent; a refusal may be about these.
    :ivar extra: names of the fields that OpenAI does not have.
    :ivar target: the target of the request.
    :ivar dropped_keywords: keys that were removed from the schemas of tools or replaced there.
    :ivar answer_shape: the shape that the answer must have and that the server does not guarantee.
    """

    body: bytes
    tool_names: Mapping[str, str]
    max_tokens: int | None
    with_tools: bool
    echoed: bool
    fields: ChatRequest
    extra: frozenset[str]
    target: Target
    dropped_keywords: frozenset[str]
    answer_shape: AnswerShape | None

    @property
    def model(self) -> str:
        """Return the backend's own name of the model."""
        return self.target.model

    @property
    def context_window(self) -> int | None:
        """Return the model's window in tokens, where known."""
        return self.target.context_window


def translate(
    asked: Conversation,
    target: Target,
    *,
    estimate: int = 0,
    max_tokens: int | None = None,
    documents: Mapping[str, str] = NO_DOCUMENTS,
) -> Translation:
    """Return the chat request of a conversation for ``target``.

    ``estimate``: the prompt's tokens, roughly, to limit the answer to what the window leaves. ``max_tokens``: overrides
    the client's, for the retry after an overflow. ``documents``: base64 text of a PDF -> its text, for a backend that
    accepts no files. Raises `InvalidRequest` for what the target cannot do.
    """
    written = write(asked, target, documents)
    limit = max_tokens if max_tokens is not None else _limit(asked, target, estimate)
    return _translate(asked, target, written, limit)


def _limit(asked: Conversation, target: Target, estimate: int) -> int | None:
    return clamp_max_tokens(asked.max_tokens, estimate, window=target.context_window, most=target.max_output_tokens)


def _translate(asked: Conversation, target: Target, chat: Written, limit: int | None) -> Translation:
    messages = chat.messages
    if not messages:
        raise InvalidRequest("messages: at least one message must have content")
    offered = chat_tools.offer_tools(asked.tools, target)
    built = chat_fields.build(asked, target, offered, limit)
    if built.answer_shape is not None:
        instructions.add_to_system(messages, built.answer_shape.instruction, target.system_role)
    if built.instruction:
        instructions.add_last(messages, built.instruction)
    return Translation(
        body=chat_codec.encode_chat(built.fields, {**built.extra, **chat.extra}, messages),
        tool_names={**chat.names, **offered.downstream_names()},
        max_tokens=limit,
        with_tools=bool(built.fields.tools),
        echoed=chat.echoed,
        fields=built.fields,
        extra=frozenset(built.extra),
        target=target,
        dropped_keywords=offered.dropped_keywords,
        answer_shape=built.answer_shape,
    )
