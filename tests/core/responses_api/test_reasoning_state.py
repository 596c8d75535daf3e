"""Tests for `claude_bridge.core.responses_api.reasoning_state`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.opaque_state import OpaqueState, pack_state
from claude_bridge.core.responses_api import codec
from claude_bridge.core.responses_api.reasoning_state import carrier_of, restored
from claude_bridge.core.responses_api.wire_types import ReasoningItem
from claude_bridge.core.strict_json import encode

SUMMARY = [{"type": "summary_text", "text": "I \u00e9\n look."}]
SECRET = "gAAA+/=" * 40
GIVEN = {"id": "rs_1", "type": "reasoning", "summary": SUMMARY, "encrypted_content": SECRET, "status": None}


def carrier(**changes: Any) -> str:
    """Return what carries an item."""
    return carrier_of(codec.decode_item(encode({**GIVEN, **changes})), "openai", "gpt-5.6")


class CarrierTests:
    """An item to the client and back."""

    def test_there_and_back(self) -> None:
        """Id, summary and the encrypted bytes come back as they were; the status does not, which is refused."""
        item = restored(carrier(), "openai", "gpt-5.6")
        assert item == ReasoningItem("rs_1", SUMMARY, SECRET)

    @pytest.mark.parametrize(
        ("dialect", "model"), [("azure", "gpt-5.6"), ("openai", "gpt-5.7"), ("generic", "gpt-5.6")]
    )
    def test_another_model(self, dialect: str, model: str) -> None:
        """What another model or dialect gave is left out."""
        assert restored(carrier(), dialect, model) is None

    @pytest.mark.parametrize("changes", [{"encrypted_content": None}, {"encrypted_content": ""}, {"id": None}])
    def test_nothing_to_bring_back(self, changes: dict[str, Any]) -> None:
        """Without encrypted content (llama.cpp has an empty one) nothing is carried."""
        assert carrier(**changes) == ""

    @pytest.mark.parametrize(
        "state", [None, [], "x", {"id": 1, "summary": [], "encrypted_content": "x"}, {"id": "a", "summary": "b"}]
    )
    def test_forged(self, state: object) -> None:
        """A state of another shape, which a client may make up, is left out."""
        assert restored(pack_state(OpaqueState("openai", "m", state)), "openai", "m") is None
        assert restored("cb1.nonsense", "openai", "m") is None
