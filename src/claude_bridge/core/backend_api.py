"""What the services know of a backend: the Protocols that each kind of backend implements, and the values they pass.

A kind of backend (OpenAI's chat completions is one) turns a neutral conversation into a request, and the bytes of the
answer into neutral events. The services know no kind by name: they are handed the registry `claude_bridge.core.kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from attrs import field, frozen

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.conversation import NO_DOCUMENTS, Conversation
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import Event
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.model_list import ModelList


@frozen(kw_only=True)
class Clues:
    """What a backend reveals of itself, as far as it is known.

    :ivar host: of its URL, in lower case, without port.
    :ivar owners: ``owned_by`` of its models.
    :ivar fingerprint: ``system_fingerprint`` of an answer.
    :ivar error: the decoded body of a refusal.
    :ivar headers: names and values of an answer's headers, names in lower case.
    """

    host: str = ""
    owners: tuple[str, ...] = ()
    fingerprint: str = ""
    error: object = None
    headers: Mapping[str, str] = field(factory=dict)

    def only_owner(self, owner: str) -> str:
        """Return the reason to recognise a server whose models all belong to ``owner``, an engine's own name, or "".

        A gateway that passes on the lists of several servers has several owners, and is none of these: a clue that also
        fits another server counts for nothing.
        """
        return f"owned_by {owner} in its model list" if set(self.owners) == {owner} else ""


@frozen(kw_only=True)
class TokenizerEndpoint:
    """Where a backend counts the tokens of a prompt.

    :ivar path: where it is; from the server's root if it begins with a slash, else behind the base URL.
    :ivar key: the field of the answer that has the number.
    :ivar window: the field that has the context window, or "".
    :ivar fields: the fields of a request that it takes; the rest is left out.
    """

    path: str
    key: str
    window: str = ""
    fields: tuple[str, ...] = ("model", "messages", "tools", "chat_template_kwargs")


class ServerDialect(Protocol):
    """One of the servers that a kind of backend is spoken by, as far as the services know it."""

    @property
    def name(self) -> str:
        """Name it as in ``dialect = NAME``."""

    @property
    def key_header(self) -> str:
        """Name the header that takes the credential."""

    @property
    def lists(self) -> tuple[str, ...]:
        """Name the lists, besides that of its models, that tell the windows of those that are loaded."""

    @property
    def speaks_for_itself(self) -> bool:
        """Return whether such a server never shows what another one is.

        Services and gateways pass on what the engine behind them says, and a plain server is nobody's.
        """

    def recognised(self, clues: Clues) -> str:
        """Return by what this server is recognised ("host api.deepseek.com"), or "" if it is not."""


@frozen
class DialectDecision:
    """A dialect and why it is the one.

    :ivar known: whether that is more than the guess for a server that nothing is known of.
    """

    dialect: ServerDialect
    why: str
    known: bool = True


@frozen(kw_only=True)
class UpstreamFailure:
    """One failure of a backend, as its kind has read it.

    :ivar status: of the response; for an error inside a stream or a 200 body what its code means, else 502.
    :ivar code: the server's own code, a number as its digits.
    :ivar type: the server's own class of error.
    :ivar message: one line, not yet redacted, hence not in the repr.
    :ivar retry_after: seconds, as the backend said, not capped.
    :ivar prompt_tokens: where the backend told the prompt's size as a number of its own (llama.cpp).
    :ivar context_window: likewise the window, in tokens.
    :ivar answered: the status of the response, whatever its body meant; 0 where that is not known.
    :ivar page: the title of the web page that the body was, maybe empty; None where it was none.
    """

    status: int
    code: str = ""
    type: str = ""
    message: str = field(default="", repr=False)
    retry_after: float | None = None
    request_id: str = ""
    prompt_tokens: int | None = None
    context_window: int | None = None
    answered: int = 0
    page: str | None = None


@frozen(kw_only=True)
class Adjustment:
    """How to ask once more after a refusal, and what is to be remembered of the model once that helped.

    :ivar why: each reason is good for one retry: ``echo``, ``limit``, ``shrink``, ``reasoning_levels``, or another
        trait and its new value, as ``schema = bare``. Lists of levels are too many to try them all.
    :ivar overrides: the traits that are other than was thought, by name.
    :ivar refuses_reasoning: whether past reasoning is to be left out.
    :ivar max_output_tokens: the largest answer, in tokens, as the refusal named it.
    :ivar max_tokens: what to ask for instead in this request, or None to leave that to the kind of backend.
    """

    why: str
    overrides: Mapping[str, Any] = field(factory=dict)
    refuses_reasoning: bool = False
    max_output_tokens: int | None = None
    max_tokens: int | None = None


@frozen(kw_only=True)
class Advice:
    """What a refusal says.

    :ivar adjustment: how to ask differently, or None where that cannot help.
    :ivar context_window: the window that it names, in tokens, or None.
    """

    adjustment: Adjustment | None = None
    context_window: int | None = None


@frozen(kw_only=True)
class Circumstances:
    """What an explanation of a failure needs besides the failure.

    :ivar backend: its name in the configuration.
    :ivar url: the address that was asked, without what is secret in it.
    :ivar model: the name that the client asked for.
    :ivar forwarded: the credential was the client's own.
    :ivar estimate: our estimate of the prompt's tokens.
    :ivar scrub: takes every credential we know out of a text.
    :ivar names: of the configuration, which are no credentials although they may look like some.
    """

    backend: str
    url: str
    model: str
    forwarded: bool
    estimate: int
    scrub: Callable[[str], str]
    names: Collection[str] = ()


@frozen(kw_only=True)
class Explanation:
    """What a failure means.

    :ivar error: what the client is told.
    :ivar log_reason: what the log says instead of the error's message, where that quotes the prompt; else "".
    """

    error: BridgeError
    log_reason: str = ""


@frozen(kw_only=True)
class AnswerLimits:
    """Bounds on what one answer may hold, in bytes; see ``[limits]``."""

    max_event: int
    max_held_arguments: int
    max_answer: int


class AnswerReader(Protocol):
    """Reads one answer: bytes in, neutral events out.

    :ivar data_event_seen: the backend has said something that is not a keep-alive.
    :ivar failure: an error that the backend reported inside its answer, decoded, else None.
    :ivar late_failure: one that it reported after the finish reason, which ends the answer as it stood.
    :ivar error: what is wrong with the answer itself, else None.
    :ivar fingerprint: what the backend calls its own state, or "".
    """

    data_event_seen: bool
    failure: object
    late_failure: object
    error: BridgeError | None
    fingerprint: str

    @property
    def finish_seen(self) -> bool:
        """Return whether the finish reason is there; only late usage may follow."""

    @property
    def done(self) -> bool:
        """Return whether `Finished` was given; everything later is ignored."""

    def feed(self, data: bytes) -> list[Event]:
        """Take body bytes and return the events they complete; look at `failure` and `error` afterwards."""

    def close(self) -> list[Event]:
        """Return the last events, at the end of the body; sets `error` if the answer is not finished."""


class Prepared(Protocol):
    """The request of one attempt, ready to be sent."""

    @property
    def path(self) -> str:
        """Return the path behind the backend's url, without a leading slash."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the headers that this kind of backend wants; the credential is none of them."""

    @property
    def body(self) -> bytes:
        """Return the body to send."""

    @property
    def with_tools(self) -> bool:
        """Return whether tools are offered: an answer may then be silent for longer."""

    @property
    def dropped_keywords(self) -> frozenset[str]:
        """Return the keywords that schemas of tools lost on the way."""

    @property
    def answer_shape(self) -> AnswerShape | None:
        """Return the shape that the answer must have and that the server does not see to."""

    def reader(self, limits: AnswerLimits, random_bytes: RandomBytes) -> AnswerReader:
        """Make the reader for the answer."""

    def adjust(self, failure: UpstreamFailure, *, estimate: int) -> Advice:
        """Return how to ask differently after a refusal. ``estimate``: our estimate of the prompt's tokens."""

    def explain(self, failure: UpstreamFailure, circumstances: Circumstances) -> Explanation:
        """Return what a failure means to the client."""

    def describe(self, failure: UpstreamFailure) -> str:
        """Return a failure for the log, without words of the backend's that may quote the prompt."""


class SchemaWork(Protocol):
    """Schemas of tools being made ready, a moment's work at a time.

    :ivar level: what they are made ready for; the work at one level need be done only once in a request.
    """

    @property
    def level(self) -> Hashable:
        """Return the level."""

    def step(self) -> bool:
        """Do some more and return whether that was all."""


class Target(Protocol):
    """One model at one backend, ready to be asked; a value."""

    @property
    def model(self) -> str:
        """Return the backend's own name for it."""

    @property
    def context_window(self) -> int | None:
        """Return the tokens that fit, prompt and answer together, where known."""

    @property
    def window_configured(self) -> bool:
        """Return whether the owner said so; nothing that a backend says is believed against it."""

    @property
    def max_output_tokens(self) -> int | None:
        """Return the largest ``max_tokens`` to ask for, where known."""

    @property
    def strip_attribution(self) -> bool:
        """Return whether the client's attribution block is left out."""

    @property
    def truncates(self) -> bool:
        """Return whether the server silently truncates a prompt that is too long."""

    @property
    def documents_as_text(self) -> bool:
        """Return whether documents are sent as their text, which is then to be given to `prepare`."""

    @property
    def tokenizer(self) -> TokenizerEndpoint | None:
        """Return where its prompts can be counted, if anywhere."""

    def prepare(
        self,
        conversation: Conversation,
        *,
        estimate: int = 0,
        max_tokens: int | None = None,
        documents: Mapping[str, str] = NO_DOCUMENTS,
    ) -> Prepared:
        """Make the request for a conversation.

        :param estimate: the prompt's tokens, roughly, for the clamp to the window.
        :param max_tokens: overrides the client's, for the one retry after an overflow.
        :param documents: base64 text of a PDF -> its text, where `documents_as_text`.

        Raises `InvalidRequest` for what the model cannot do.
        """

    def schema_work(self, conversation: Conversation) -> SchemaWork | None:
        """Return what is to be done to the schemas of tools before `prepare`, or None where there is nothing to do."""

    def adjusted(self, overrides: Mapping[str, Any], *, refuses_reasoning: bool, max_output_tokens: int | None) -> Self:
        """Return it with what refusals taught, itself where that is nothing.

        Past reasoning is left out where it is refused and no policy is configured; an answer's limit is only lowered.
        """

    def with_window(self, context_window: int | None) -> Self:
        """Return it with another window."""


TargetT = TypeVar("TargetT", bound=Target)


class BackendKind(Protocol):
    """A kind of backend: one API that servers speak, ``kind = NAME`` in the configuration."""

    @property
    def dialects(self) -> Mapping[str, ServerDialect]:
        """Return the servers that are known to differ, by name."""

    @property
    def undecided(self) -> DialectDecision:
        """Return the decision for a server that nothing is known of yet."""

    def recognise(self, clues: Clues) -> DialectDecision | None:
        """Return the dialect that recognises the clues, or None."""

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
    ) -> Target:
        """Make the target for a model; ``overrides``: traits of the dialect that are configured otherwise, by name."""

    def read_models(self, body: bytes) -> ModelList | None:
        """Read a list of models; None if it is none."""

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamFailure:
        """Read a response that failed by its status. ``headers`` have lower-case names; ``now``: Unix seconds."""

    def read_error(self, value: object) -> UpstreamFailure:
        """Read a decoded error that came inside an answer."""
