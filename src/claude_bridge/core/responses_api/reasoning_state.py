"""Encrypted reasoning, which goes to the client and comes back as it was (docs/responses-api.md 1.3).

Only the server can read it. It needs the item's id and the summary that it gave beside it; a changed byte is refused,
or at least makes the server read the prompt anew.
"""

from __future__ import annotations

from typing import Any

from claude_bridge.core import json_weight, opaque_state, strict_json
from claude_bridge.core.opaque_state import OpaqueState
from claude_bridge.core.responses_api.wire_types import OutputItem, ReasoningItem


def carrier_of(item: OutputItem, dialect: str, model: str) -> str:
    """Return the string that carries an item to the client, or "" if nothing in it has to come back."""
    if not item.encrypted_content or not item.id:
        return ""
    summary = [strict_json.decode(part) for part in (item.summary or ())[: json_weight.MAX_PARTS]]
    state = {"id": item.id, "summary": summary, "encrypted_content": item.encrypted_content}
    return opaque_state.pack_state(OpaqueState(dialect, model, state))


def restored(carrier: str, dialect: str, model: str) -> ReasoningItem | None:
    """Return the item in a string from the client, or None if another model or dialect gave it."""
    carried = opaque_state.state_of(carrier, dialect, model)
    return None if carried is None else _item(carried.state)


def _item(state: Any) -> ReasoningItem | None:  # noqa: ANN401 - the client's JSON
    match state:
        case {"id": str(identifier), "summary": list(summary), "encrypted_content": str(content)}:
            return ReasoningItem(identifier, summary, content)
        case _:
            return None
