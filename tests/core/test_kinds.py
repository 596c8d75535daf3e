"""Tests for `claude_bridge.core.kinds`: the registry of kinds of backends."""

from __future__ import annotations

import inspect
from typing import get_args, get_type_hints

import pytest

from claude_bridge.config.schema import Backend
from claude_bridge.core import backend_api
from claude_bridge.core.backend_api import BackendKind, NeutralRequest
from claude_bridge.core.chat_completions import backend
from claude_bridge.core.chat_completions.answer.reader import Reader
from claude_bridge.core.chat_completions.dialect import Generic
from claude_bridge.core.conversation import Conversation, Text, Turn
from claude_bridge.core.json_schema.sanitising import SanitisingWork
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.responses_api import backend as responses
from claude_bridge.core.responses_api.answer.reader import Reader as ResponsesReader
from claude_bridge.core.responses_api.dialect import Generic as ResponsesGeneric
from claude_bridge.core.responses_api.target import PreparedResponse, ResponsesTarget

SIDES = [
    (backend_api.BackendKind, backend.ChatCompletions),
    (backend_api.Target, backend.ChatTarget),
    (backend_api.Prepared, backend.PreparedCompletion),
    (backend_api.AnswerReader, Reader),
    (backend_api.Preparation, SanitisingWork),
    (backend_api.ServerDialect, Generic),
    (backend_api.BackendKind, responses.ResponsesApi),
    (backend_api.Target, ResponsesTarget),
    (backend_api.Prepared, PreparedResponse),
    (backend_api.AnswerReader, ResponsesReader),
    (backend_api.ServerDialect, ResponsesGeneric),
]


class RegistryTests:
    """Kinds by their names."""

    def test_configured(self) -> None:
        """Each name that the configuration takes is a kind, and the other way round."""
        assert set(get_args(get_type_hints(Backend)["kind"])) == set(KINDS)

    @pytest.mark.parametrize("kind", KINDS.values())
    def test_unknown_server(self, kind: BackendKind) -> None:
        """Each kind has a guess for a server that nothing is known of, which is one of its dialects."""
        assert not kind.undecided.known
        assert kind.dialects[kind.undecided.dialect.name] is kind.undecided.dialect

    @pytest.mark.parametrize("kind", KINDS.values())
    def test_paths(self, kind: BackendKind) -> None:
        """Requests go where the kind says that they go, and its API is looked for at the backend's url first."""
        target = kind.target(
            *("generic", "m", {}),
            context_window=None,
            window_configured=False,
            max_output_tokens=None,
            strip_attribution=False,
        )
        asked = Conversation(system=(), turns=[Turn("user", [Text("hi")])], max_tokens=1)
        assert target.prepare(NeutralRequest(asked)).path == kind.request_path
        assert kind.places[0] == ""
        assert all(place.startswith("/") and place.endswith("/") for place in kind.places[1:])


class ProtocolTests:
    """What implements a Protocol fits it."""

    @pytest.mark.parametrize(("seam", "side"), SIDES)
    def test_methods_take_what_is_given(self, seam: type, side: type) -> None:
        """Every method of a seam is there, with the same parameters in the same order."""
        methods = [name for name, value in vars(seam).items() if inspect.isfunction(value) and name[0] != "_"]
        for name in methods:
            wanted, given = (list(inspect.signature(getattr(one, name)).parameters) for one in (seam, side))
            assert (name, given) == (name, wanted)
