"""Tests for `claude_bridge.core.anthropic_backend.backend`."""

from __future__ import annotations

import inspect

import pytest

from claude_bridge.core import backend_api
from claude_bridge.core.anthropic_backend.backend import ANTHROPIC_MESSAGES, AnthropicMessages
from claude_bridge.core.anthropic_backend.body_editing import Editing
from claude_bridge.core.anthropic_backend.dialect import Generic
from claude_bridge.core.anthropic_backend.message_reader import MessageReader
from claude_bridge.core.anthropic_backend.stream_reader import StreamReader
from claude_bridge.core.anthropic_backend.target import MessagesTarget, PreparedMessages
from claude_bridge.core.backend_api import BackendKind, Clues
from claude_bridge.core.model_list import ModelInfo

SIDES = [
    (backend_api.BackendKind, AnthropicMessages),
    (backend_api.Target, MessagesTarget),
    (backend_api.Prepared, PreparedMessages),
    (backend_api.Preparation, Editing),
    (backend_api.AnswerReader, StreamReader),
    (backend_api.AnswerReader, MessageReader),
    (backend_api.ServerDialect, Generic),
]


class ProtocolTests:
    """What implements a Protocol fits it."""

    @pytest.mark.parametrize(("seam", "side"), SIDES)
    def test_methods_take_what_is_given(self, seam: type, side: type) -> None:
        """Every method of a seam is there, with the same parameters in the same order."""
        for name in [name for name, value in vars(seam).items() if inspect.isfunction(value) and name[0] != "_"]:
            wanted, given = (list(inspect.signature(getattr(one, name)).parameters) for one in (seam, side))
            assert (name, given) == (name, wanted)


class KindTests:
    """The kind itself."""

    def test_models(self) -> None:
        """Its list of models is asked for with the version that the API demands."""
        kind: BackendKind = ANTHROPIC_MESSAGES
        assert kind.models_path == "v1/models?limit=1000"
        assert ANTHROPIC_MESSAGES.headers == (("anthropic-version", "2023-06-01"),)
        assert ANTHROPIC_MESSAGES.read_models(b'{"data":[{"id":"a"}]}') == (ModelInfo(id="a"),)

    @pytest.mark.parametrize("end", ["", "/v1", "/v1/messages"])
    def test_base(self, end: str) -> None:
        """A url may have been copied with its endpoint."""
        assert (
            ANTHROPIC_MESSAGES.base(f"https://api.deepseek.com/anthropic{end}") == "https://api.deepseek.com/anthropic"
        )

    def test_traits(self) -> None:
        """Its options have the values of the dialect."""
        assert ANTHROPIC_MESSAGES.traits("anthropic", "m") == {"signatures": "checked"}
        assert ANTHROPIC_MESSAGES.traits("generic", "m") == {"signatures": "unchecked"}

    def test_dialects(self) -> None:
        """Servers are recognised; an unknown one is generic."""
        found = ANTHROPIC_MESSAGES.recognise(Clues(host="api.anthropic.com"))
        assert found is not None
        assert found.dialect is ANTHROPIC_MESSAGES.dialects["anthropic"]
        assert ANTHROPIC_MESSAGES.undecided.dialect is ANTHROPIC_MESSAGES.dialects["generic"]
        assert not ANTHROPIC_MESSAGES.undecided.known
