"""The neutral conversation -> a request of the Responses API, for one attempt (docs/responses-api.md 1)."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.conversation import NO_DOCUMENTS, Conversation
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.responses_api import codec, request_fields
from claude_bridge.core.responses_api.dialect import Target
from claude_bridge.core.responses_api.input_items import add_last, write
from claude_bridge.core.responses_api.response_tools import offer_tools
from claude_bridge.core.responses_api.wire_types import ResponseRequest
from claude_bridge.core.tokens.answer_limit import clamp_max_tokens


@frozen(kw_only=True)
class Translation:
    """One attempt's request.

    :ivar body: the JSON to send.
    :ivar tool_names: the backend's name of a tool -> the client's, where they differ.
    :ivar max_tokens: the limit of the answer that was requested, or None if none was.
    :ivar fields: everything but the input, as it was sent; a refusal may be about these.
    :ivar target: the target of the request.
    :ivar dropped_keywords: keys that were removed from the schemas of tools or replaced there.
    :ivar answer_shape: the shape that the answer must have and that the server does not guarantee.
    """

    body: bytes
    tool_names: Mapping[str, str]
    max_tokens: int | None
    fields: ResponseRequest
    target: Target
    dropped_keywords: frozenset[str]
    answer_shape: AnswerShape | None

    @property
    def with_tools(self) -> bool:
        """Whether tools were sent (the silence limit is longer then)."""
        return bool(self.fields.tools)

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
    session: str = "",
) -> Translation:
    """Return the request of a conversation for ``target``.

    ``estimate``: the prompt's tokens, roughly, to limit the answer to what the window leaves. ``max_tokens``: overrides
    the client's, for the retry after an overflow. ``documents``: base64 text of a PDF -> its text, for a backend that
    accepts no files. ``session``: the client's session, or "". Raises `InvalidRequest` for what the target cannot do.
    """
    limit = max_tokens
    if limit is None:
        window, most = target.context_window, target.max_output_tokens
        limit = clamp_max_tokens(asked.max_tokens, estimate, window=window, most=most)
    written = write(asked, target, documents)
    if not written.items:
        raise InvalidRequest("messages: at least one message must have content")
    offered = offer_tools(asked.tools, target)
    built = request_fields.build(asked, target, offered, limit=limit, session=session)
    if built.instruction:
        add_last(written.items, built.instruction)
    shape = built.answer_shape
    instructions = "\n\n".join(filter(None, (written.instructions, shape.instruction if shape is not None else "")))
    built.fields.instructions = instructions or None
    return Translation(
        body=codec.encode_request(built.fields, written.items),
        tool_names={**written.names, **offered.downstream_names},
        max_tokens=built.fields.max_output_tokens,
        fields=built.fields,
        target=target,
        dropped_keywords=offered.dropped_keywords,
        answer_shape=shape,
    )
