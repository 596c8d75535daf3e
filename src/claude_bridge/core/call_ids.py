"""Assigns the ids of a conversation's calls for the backend, legal there and unique (docs/chat-completions.md 1.8)."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, Literal

from attrs import define, field

from claude_bridge.core.ids import token, upstream_id

ToolIds = Literal["any", "nine"]
"""The form of ids that a backend accepts: any, or nine letters and digits (Mistral)."""

MAX_ID_CHARACTERS: Final = 40
"""Characters that OpenAI takes ("string too long. Expected a string with maximum length 40"); clients bring longer ids
from other gateways, ``call_`` and a UUID for one."""

_NINE: Final = re.compile(r"[0-9A-Za-z]{9}")


@define
class CallIds:
    """Assigns ids to calls in order; the same conversation always gets the same ids."""

    form: ToolIds = "any"
    _used: set[str] = field(factory=set, init=False)

    def assign(self, client_id: str) -> str:
        """Return the backend's own id for the client's, or another one if that is used already or illegal."""
        identifier = upstream_id(client_id)
        illegal = len(identifier) > MAX_ID_CHARACTERS or (self.form == "nine" and not _NINE.fullmatch(identifier))
        if illegal or not identifier or identifier in self._used:
            identifier = self._unused_id(client_id)
        self._used.add(identifier)
        return identifier

    def _unused_id(self, client_id: str) -> str:
        """Return an unused id derived from the client's, which is the same in every request."""
        identifier = self._in_form(client_id or "call")
        # starting at the number of ids so far, so that thousands of calls with one id do not take thousands of tries
        number = len(self._used)
        while identifier in self._used:
            identifier = self._in_form(f"{client_id}_{number}")
            number += 1
        return identifier

    def _in_form(self, text: str) -> str:
        if self.form == "nine":
            return nine_characters(text)
        return text if len(text) <= MAX_ID_CHARACTERS else f"call_{_hashed(24, text)}"


def nine_characters(text: str) -> str:
    """Return nine letters and digits, the same for the same text (mistral-common refuses any other form)."""
    return _hashed(9, text)


def _hashed(length: int, text: str) -> str:
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    return token(length, lambda size: digest[:size])
