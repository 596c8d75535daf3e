"""What the kinds of backends for OpenAI's two APIs have in common: where a server lists its models, and its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from attrs import frozen

from claude_bridge.core import models_endpoint
from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.model_list import ModelList
from claude_bridge.core.upstream_errors import classification


@frozen
class OpenAIKind:
    """The part of `claude_bridge.core.backend_api.BackendKind` that does not depend on which of the APIs is used.

    :cvar passes_through: whether requests and answers are passed on as they are: never, they are translated.
    :cvar models_path: the path of the list of models, relative to the backend's url.
    :cvar places: where the API may be on a server.
    :cvar headers: those that every request needs: none.
    """

    passes_through: ClassVar[bool] = False
    models_path: ClassVar[str] = "models"
    places: ClassVar[Sequence[str]] = models_endpoint.PLACES
    headers: ClassVar[tuple[tuple[str, str], ...]] = ()

    def read_models(self, body: bytes) -> ModelList | None:
        """Return the list of models in a response's body, or None if it contains none."""
        return models_endpoint.read_models(body)

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamFailure:
        """Return the failure that an error response reports."""
        return classification.from_response(status, headers, body, now=now)

    def read_error(self, value: object) -> UpstreamFailure:
        """Return the failure that a decoded error inside an answer reports."""
        return classification.from_error(value)
