"""The Anthropic Messages API as a kind of backend; see `claude_bridge.core.backend_api`.

A client's request is passed on with the least touching (`target`), and the answer is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.anthropic_backend import models_endpoint
from claude_bridge.core.anthropic_backend.dialect import DIALECTS, GENERIC, REQUEST_PATH, TRAITS, Generic, decide
from claude_bridge.core.anthropic_backend.headers import response_headers
from claude_bridge.core.anthropic_backend.wire_events import ReportedError
from claude_bridge.core.backend_api import Clues, DialectDecision, UpstreamFailure
from claude_bridge.core.errors import ErrorResponse
from claude_bridge.core.model_list import ModelList
from claude_bridge.core.upstream_errors import classification

if TYPE_CHECKING:
    from claude_bridge.core.anthropic_backend.target import MessagesTarget

UNDECIDED: Final = DialectDecision(GENERIC, "not contacted yet", known=False)
PLACES: Final = ("", "/", "/anthropic/", "/api/", "/api/anthropic/")
"""Where the API may be: below the configured url, at most servers, at DeepSeek and others, at OpenRouter, at Z.ai."""

VERSION: Final = ("anthropic-version", "2023-06-01")
_FIRST_FAILED_STATUS: Final = 400


@frozen
class AnthropicMessages:
    """Implements `claude_bridge.core.backend_api.BackendKind`."""

    api_name: ClassVar[str] = "Anthropic's Messages API"
    passes_through: ClassVar[bool] = True
    request_path: ClassVar[str] = REQUEST_PATH
    models_path: ClassVar[str] = models_endpoint.PATH
    places: ClassVar[Sequence[str]] = PLACES
    headers: ClassVar[tuple[tuple[str, str], ...]] = (VERSION,)

    def base(self, url: str) -> str:
        """Return the url without ``/v1`` and ``/v1/messages``, as in ``ANTHROPIC_BASE_URL``."""
        return url.removesuffix("/v1/messages").removesuffix("/v1").rstrip("/")

    def traits(self, dialect: str, model: str) -> Mapping[str, Any]:
        """Return the traits of a model at a server."""
        traits = DIALECTS[dialect].traits(model)
        return {name: getattr(traits, name) for name in TRAITS}

    def trait_words(self, name: str) -> Sequence[str]:
        """Return (): the configuration itself knows which words each trait may have."""
        del name
        return ()

    @property
    def dialects(self) -> Mapping[str, Generic]:
        """Return all dialects by name."""
        return DIALECTS

    @property
    def undecided(self) -> DialectDecision:
        """Return the decision for a server of which nothing is known."""
        return UNDECIDED

    def recognise(self, clues: Clues) -> DialectDecision | None:
        """Return the dialect that recognises the clues, or None."""
        return decide(clues)

    def target(
        self,
        dialect: str,
        model: str,
        overrides: Mapping[str, Any],
        *,
        context_window: int | None,
        window_configured: bool,
        max_output_tokens: int | None,
        strip_attribution: bool,
    ) -> MessagesTarget:
        """Return the target for a model. Traits of other kinds, and what would change the request, do not count."""
        from claude_bridge.core.anthropic_backend.target import MessagesTarget  # noqa: PLC0415 - only where it is used

        del strip_attribution
        return MessagesTarget(
            **{name: overrides.get(name, value) for name, value in self.traits(dialect, model).items()},
            model=model,
            context_window=context_window if window_configured else None,
            max_output_tokens=max_output_tokens,
        )

    def read_models(self, body: bytes) -> ModelList | None:
        """Return the list of models in a response's body, or None if it contains none."""
        return models_endpoint.read_models(body)

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamFailure:
        """Return the failure that an error response reports, with the response if that is an error of this API."""
        failure = classification.from_response(status, headers, body, now=now)
        told = status if status >= _FIRST_FAILED_STATUS else failure.status
        return _with_response(failure, ErrorResponse(told, body, response_headers(headers)))

    def read_error(self, value: object) -> UpstreamFailure:
        """Return the failure that a decoded error inside an answer reports."""
        failure = classification.from_error(value)
        body = value.data if isinstance(value, ReportedError) else strict_json.encode(value)
        return _with_response(failure, ErrorResponse(failure.status, body))


ANTHROPIC_MESSAGES: Final = AnthropicMessages()


def _with_response(failure: UpstreamFailure, response: ErrorResponse) -> UpstreamFailure:
    """Return a failure with its response, if that is an error of this API."""
    try:
        value = strict_json.decode(response.body)
    except strict_json.JsonError:
        return failure
    match value:
        case {"type": "error", "error": {"type": str(), "message": str()}}:
            return evolve(failure, response=response)
    return failure
