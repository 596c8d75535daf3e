"""A second kind of backend, as small as one can be: it sends the last user text as it is, and reads it back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, Self, cast

from attrs import define, evolve, frozen

from claude_bridge.core import backend_api as api
from claude_bridge.core.conversation import NO_DOCUMENTS, text_of
from claude_bridge.core.errors import BridgeError, NotFound, UpstreamCut, UpstreamServerError
from claude_bridge.core.events import Event, Finished, FinishReason, Started, TextDelta, Usage, Verbatim
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.model_list import ModelList

LARGE: Final = 1000
"""Bytes of a request that is prepared in steps."""


@define
class EchoReader:
    """Reads plain text; a full stop ends the answer."""

    data_event_seen: bool = False
    finish_seen: bool = False
    done: bool = False
    failure: object = None
    late_failure: object = None
    error: BridgeError | None = None
    fingerprint: str = ""
    reported_usage: Usage | None = None

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take no notice."""

    def feed(self, data: bytes) -> list[Event]:
        """Return the text, and the end behind a full stop."""
        started: list[Event] = [] if self.data_event_seen else [Started("")]
        self.data_event_seen, self.done = True, data.endswith(b".")
        end: list[Event] = [Finished(FinishReason.STOPPED)] if self.done else []
        return [*started, TextDelta(data.decode()), *end]

    def close(self) -> list[Event]:
        """Find an answer without a full stop cut."""
        self.error = UpstreamCut("no full stop")
        return []


@frozen
class EchoRequest:
    """A request that is nothing but a text."""

    body: bytes
    path: str = "echo"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain"),)
    client_key_header: str = ""
    with_tools: bool = False
    dropped_keywords: frozenset[str] = frozenset()
    answer_shape: None = None

    def reader(self, limits: api.AnswerLimits, random_bytes: RandomBytes) -> EchoReader:  # noqa: ARG002 - the seam's
        """Make the reader."""
        return EchoReader()

    def adjust(self, failure: api.UpstreamFailure, *, estimate: int) -> api.Advice:  # noqa: ARG002 - the seam's shape
        """Ask more softly after a 406, and after a 409 for this once."""
        softer = api.Adjustment(why="softer", overrides={"loud": False}, remembered=failure.status == 406)
        return api.Advice(adjustment=softer if failure.status in {406, 409} else None)

    def explain(self, failure: api.UpstreamFailure, circumstances: api.Circumstances) -> api.Explanation:
        """Name the backend and the status."""
        return api.Explanation(error=UpstreamServerError(f"{circumstances.backend} said {failure.status}"))

    def describe(self, failure: api.UpstreamFailure) -> str:
        """Name the status."""
        return str(failure.status)


@frozen(kw_only=True)
class EchoTarget:
    """A model that shouts unless it was told not to."""

    model: str
    passes_through: bool = False
    loud: bool = True
    context_window: int | None = None
    window_configured: bool = False
    max_output_tokens: int | None = None
    strip_attribution: bool = True
    truncates: bool = False
    documents_as_text: bool = False
    tokenizer: None = None

    def prepare(
        self,
        asked: api.ClientRequest,
        *,
        estimate: int = 0,  # noqa: ARG002 - the seam's shape
        max_tokens: int | None = None,  # noqa: ARG002 - the same
        documents: Mapping[str, str] = NO_DOCUMENTS,  # noqa: ARG002 - the same
    ) -> EchoRequest:
        """Take the last text."""
        text = "".join(map(text_of, asked.conversation.turns[-1].pieces))
        return EchoRequest((text.upper() if self.loud else text).encode())

    def preparation(self, asked: api.ClientRequest) -> api.Preparation | None:
        """Return none."""
        del asked
        return None

    def adjusted(self, overrides: Mapping[str, Any], *, refuses_reasoning: bool, max_output_tokens: int | None) -> Self:
        """Return it softer, or as it is."""
        del refuses_reasoning, max_output_tokens
        return evolve(self, **overrides)

    def with_window(self, context_window: int | None) -> Self:
        """Return it with another window."""
        return evolve(self, context_window=context_window)


@frozen
class EchoServer:
    """The only server of this kind."""

    name: str = "echo"
    key_header: str = "X-Echo-Key"
    is_anthropic: bool = False
    lists: tuple[str, ...] = ()
    speaks_for_itself: bool = True

    def recognised(self, clues: api.Clues) -> str:
        """Recognise nothing."""
        del clues
        return ""


ECHO: Final = EchoServer()


class EchoKind:
    """Implements `claude_bridge.core.backend_api.BackendKind`."""

    api_name = "an echo"
    dialects: Mapping[str, api.ServerDialect] = {"echo": ECHO}
    passes_through = False
    request_path = "echo"
    models_path = "models"
    places: tuple[str, ...] = ("", "/v1/")
    headers: tuple[tuple[str, str], ...] = ()
    undecided = api.DialectDecision(ECHO, "there is no other", known=False)

    def base(self, url: str) -> str:
        """Return it as it is."""
        return url

    def traits(self, dialect: str, model: str) -> Mapping[str, Any]:
        """Return none."""
        del dialect, model
        return {}

    def recognise(self, clues: api.Clues) -> None:
        """Recognise nothing."""

    def trait_words(self, name: str) -> tuple[str, ...]:
        """Have none."""
        del name
        return ()

    def target(self, dialect: str, model: str, overrides: Mapping[str, Any], **limits: Any) -> EchoTarget:
        """Make the target."""
        del dialect, overrides
        return EchoTarget(model=model, **limits)

    def read_models(self, body: bytes) -> ModelList | None:
        """Have no list."""
        del body
        return None

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> api.UpstreamFailure:
        """Keep the status."""
        del headers, now
        return api.UpstreamFailure(status=status, message=body.decode())

    def read_error(self, value: object) -> api.UpstreamFailure:
        """Keep the words."""
        return api.UpstreamFailure(status=502, message=str(value))


class MirrorKind(EchoKind):
    """Speaks the clients' own API, and sends a request's original bytes."""

    passes_through = True

    def target(self, dialect: str, model: str, overrides: Mapping[str, Any], **limits: Any) -> MirrorTarget:
        """Make the target."""
        del dialect, overrides
        return MirrorTarget(model=model, max_output_tokens=limits["max_output_tokens"])


@define
class Polishing:
    """Counts down before a large request is sent."""

    left: dict[Hashable, object]
    key: str = "polished"

    def step(self) -> bool:
        """Count."""
        count = cast(int, self.left.get(self.key, 3)) - 1
        self.left[self.key] = count
        return not count


@frozen(kw_only=True)
class MirrorTarget(EchoTarget):
    """A model that gets what the client sent, if it is large after three steps."""

    passes_through: bool = True

    def preparation(self, asked: api.ClientRequest) -> Polishing | None:
        """Return it for a large request."""
        assert asked.original is not None
        return Polishing(asked.original.derived) if len(asked.original.body) > LARGE else None

    def prepare(self, asked: api.ClientRequest, **more: Any) -> MirrorRequest:
        """Take the original."""
        del more
        assert asked.original is not None
        assert not asked.original.derived.get("polished")
        return MirrorRequest(asked.original.body)


@frozen
class MirrorRequest(EchoRequest):
    """A request that is passed on."""

    client_key_header: str = "x-api-key"

    def reader(self, limits: api.AnswerLimits, random_bytes: RandomBytes) -> MirrorReader:  # noqa: ARG002 - the seam's
        """Make the reader."""
        return MirrorReader()

    def explain(self, failure: api.UpstreamFailure, circumstances: api.Circumstances) -> api.Explanation:
        """Know no model after a 404, which the log is to say in other words."""
        if failure.status == 404:
            return api.Explanation(error=NotFound("there is no such model"), log_reason="mirror: 404")
        return super().explain(failure, circumstances)


@define
class MirrorReader(EchoReader):
    """Passes bytes on; a full stop ends the answer."""

    headers: tuple[tuple[str, str], ...] = ()

    def begin(self, headers: Mapping[str, str]) -> None:
        """Keep them."""
        self.headers = tuple(headers.items())

    def feed(self, data: bytes) -> list[Event]:
        """Return the bytes, and the end behind a full stop."""
        self.data_event_seen, self.done = True, data.endswith(b".")
        end: list[Event] = [Finished(FinishReason.STOPPED, usage=Usage(8, 2))] if self.done else []
        return [Verbatim(data, headers=self.headers), *end]
