"""Builds requests, and shows what a server of the Responses API would get for them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from claude_bridge.core.backend_api import AnswerLimits
from claude_bridge.core.events import Event
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.responses_api import translation
from claude_bridge.core.responses_api.answer.reader import Reader
from claude_bridge.core.responses_api.backend import RESPONSES_API
from claude_bridge.core.responses_api.dialect import Target, as_fields
from claude_bridge.core.responses_api.dialects.openai import OpenAI
from claude_bridge.core.responses_api.target import ResponsesTarget
from claude_bridge.core.responses_api.translation import Translation
from claude_bridge.testing.response_requests import problems
from tests.core.asking import asked

TARGET = Target(model="m")
GPT = Target(model="gpt-5.6", dialect=OpenAI(), **as_fields(OpenAI().traits("gpt-5.6")))
LIMITS = AnswerLimits(max_event=4 << 20, max_held_arguments=16 << 20, max_answer=64 << 20)


def translate(*messages: object, target: Target = TARGET, session: str = "", **fields: Any) -> Translation:
    """Translate a request; ``fields`` replace or add to a model and ``max_tokens``."""
    return translation.translate(conversation_of(asked(*messages, **fields)), target, session=session)


def sent(*messages: object, target: Target = TARGET, session: str = "", **fields: Any) -> Any:
    """Return the decoded request that the backend would get; a strict server must find nothing wrong with it."""
    request = json.loads(translate(*messages, target=target, session=session, **fields).body)
    if target.strict and target.answer_limit:
        assert problems(request) == ()
    return request


def items(*messages: object, target: Target = TARGET, **fields: Any) -> Any:
    """Return the items of the input that the backend would get."""
    return sent(*messages, target=target, **fields)["input"]


def read(pieces: Iterable[bytes], **options: Any) -> tuple[list[Event], Reader]:
    """Read an answer that comes in pieces, to its end; return its events and the reader."""
    made = reader(**options)
    events = [event for piece in pieces for event in made.feed(piece)]
    return events + made.close(), made


def reader(**options: Any) -> Reader:
    """Make a reader."""
    return Reader(**{"dialect": "generic", "model": "m", "random_bytes": lambda count: b"\0" * count, **options})


def target(dialect: str = "openai", model: str = "gpt-5.6", **overrides: Any) -> ResponsesTarget:
    """Make a model of OpenAI's, or of another server."""
    return RESPONSES_API.target(
        dialect,
        model,
        overrides,
        context_window=400_000,
        window_configured=False,
        max_output_tokens=None,
        strip_attribution=True,
    )
