"""What one attempt sends, and the reader for what comes back."""

from __future__ import annotations

from typing import Final

from claude_bridge.config.dialects import key_header
from claude_bridge.config.schema import Backend, Limits
from claude_bridge.core.chat_completions.answer.reader import Reader
from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.strict_json import Raw
from claude_bridge.services.exchange.resolver import Candidate
from claude_bridge.services.interfaces import UpstreamRequest
from claude_bridge.services.keys.credentials import UpstreamCredential

IDLE_WITH_TOOLS: Final = 600.0
IDLE: Final = 300.0
"""Seconds of silence inside an answer: long tool calls arrive from some servers as one piece after minutes."""


def completions_url(backend: Backend) -> str:
    """Return the address that a backend is asked at."""
    return f"{backend.url}/chat/completions"


def upstream_request(
    candidate: Candidate, sent: Translation, credential: UpstreamCredential, user_agent: str
) -> UpstreamRequest:
    """Address a translated request to its backend; configured headers replace ours of the same name."""
    backend = candidate.backend
    headers = {
        "content-type": ("Content-Type", "application/json"),
        "accept": ("Accept", "text/event-stream"),
        "user-agent": ("User-Agent", user_agent),
    }
    if credential.secret is not None:
        name, value = key_header(backend, credential.secret)
        headers[name.lower()] = (name, value)
    headers.update((name.lower(), (name, value)) for name, value in backend.headers)
    return UpstreamRequest(
        backend=backend,
        url=completions_url(backend),
        headers=tuple(headers.values()),
        body=sent.body,
        first_byte_timeout=backend.first_byte_timeout,
        idle_timeout=backend.idle_timeout or (IDLE_WITH_TOOLS if sent.with_tools else IDLE),
    )


def reader(
    asked: MessagesRequest, target: Target, sent: Translation, limits: Limits, random_bytes: RandomBytes
) -> Reader:
    """Make the reader for the answer to a translated request."""
    return Reader(
        dialect=target.dialect,
        random_bytes=random_bytes,
        model=target.model,
        tool_names=sent.tool_names,
        stop_sequences=tuple(asked.stop_sequences or ()),
        context_window=target.context_window,
        thinking_opened=target.thinking_opened,
        recoverable=_recoverable(sent, target),
        max_event=limits.max_event,
        max_held=limits.max_held_arguments,
        max_answer=limits.max_answer,
    )


def _recoverable(sent: Translation, target: Target) -> dict[str, Raw]:
    """Return the tools whose calls are to be looked for in the text, with their schemas."""
    if not target.recover_tool_calls:
        return {}
    return {tool.function.name: tool.function.parameters for tool in sent.fields.tools or ()}
