"""What a request itself says, before any backend is chosen: the client's session, the model, the size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core import strict_json
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest

_MAX_ID_CHARACTERS: Final = 128
"""Characters of a client-supplied id that are kept, as it goes into every log line."""

_MAX_USER_ID_CHARACTERS: Final = 4096
"""Characters of the longest ``user_id`` that is decoded; Claude Code's has some 200."""


@frozen(kw_only=True)
class RequestInfo:
    """What routing, records and logs need to know of a request.

    :ivar model: the id that the client asked for, as it wrote it.
    :ivar session: Claude Code's session id, from its header or from ``metadata.user_id``; else "".
    :ivar agent: the subagent's id; "" for the main conversation.
    :ivar agent_type: what kind of subagent it is, as the client calls it; else "".
    :ivar parent: the id of the subagent that started this one; "" where the main conversation did.
    :ivar kind: ``main``, ``subagent`` or ``auxiliary``, where the client says so; else "".
    """

    model: str
    session: str
    agent: str
    kind: str
    streamed: bool
    body_bytes: int
    agent_type: str = ""
    parent: str = ""


def request_info(request: MessagesRequest, headers: Mapping[str, str], body_bytes: int) -> RequestInfo:
    """Return the information; header names are in lower case."""
    agent = headers.get("x-claude-code-agent-id", "")
    return RequestInfo(
        model=request.model,
        session=session(request, headers),
        agent=printable_id(agent),
        kind=printable_id(headers.get("x-claude-code-request-class") or ("subagent" if agent else "")),
        streamed=bool(request.stream),
        body_bytes=body_bytes,
        agent_type=printable_id(headers.get("x-claude-code-agent-type", "")),
        parent=printable_id(headers.get("x-claude-code-parent-agent-id", "")),
    )


def session(request: MessagesRequest, headers: Mapping[str, str]) -> str:
    """Return the session id that the client sent, or ""; header names are in lower case."""
    return printable_id(headers.get("x-claude-code-session-id") or _session(request))


def printable_id(text: str) -> str:
    """Return an id that a client sent, or anything else that it calls something, as it is kept."""
    return "".join(character for character in text[:_MAX_ID_CHARACTERS] if character.isprintable())


def _session(request: MessagesRequest) -> str:
    """Return the session id in ``metadata.user_id``, which Claude Code fills with JSON."""
    user = request.metadata.user_id if request.metadata is not None else None
    if not user or not user.startswith("{") or len(user) > _MAX_USER_ID_CHARACTERS:
        return ""
    try:
        value = strict_json.decode(user.encode())
    except strict_json.JsonError:
        return ""
    session = value.get("session_id") if isinstance(value, dict) else None
    return session if isinstance(session, str) else ""
