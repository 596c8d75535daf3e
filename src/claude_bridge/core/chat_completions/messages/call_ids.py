"""The ids of a conversation's calls as the backend gets them: legal there, and each only once (wire-contract 5.6)."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from attrs import define, field

from claude_bridge.core.chat_completions.traits import ToolIds
from claude_bridge.core.ids import token, upstream_id

MAX_ID_CHARACTERS: Final = 40
"""Characters that OpenAI takes ("string too long. Expected a string with maximum length 40"); clients bring longer ids
from other gateways, ``call_`` and a UUID for one."""

_NINE: Final = re.compile(r"[0-9A-Za-z]{9}")


@define
class CallIds:
    """Gives ids, one after the other; the same conversation gets the same ones each time."""

    form: ToolIds = "any"
    _used: set[str] = field(factory=set, init=False)

    def assign(self, client_id: str) -> str:
        """Return the backend's own id for the client's; where that was there before or is illegal, another one."""
        identifier = upstream_id(client_id)
        illegal = len(identifier) > MAX_ID_CHARACTERS or (self.form == "nine" and not _NINE.fullmatch(identifier))
        if illegal or not identifier or identifier in self._used:
            identifier = self._unused_id(client_id)
        self._used.add(identifier)
        return identifier

    def _unused_id(self, client_id: str) -> str:
        """Start from the client's id, which is the same in every request, and change it until it is new."""
        identifier = self._in_form(client_id or "call")
        # beginning at the number of ids before it, thousands of calls with one id take no thousands of tries each
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
    """Return nine letters and digits, the same ones for the same text (mistral-common refuses any other form)."""
    return _hashed(9, text)


def _hashed(length: int, text: str) -> str:
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    return token(length, lambda size: digest[:size])
