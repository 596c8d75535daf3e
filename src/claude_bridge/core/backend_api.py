"""The interface to backends: Protocols that each kind of backend implements, and the values that they exchange.

A kind of backend (OpenAI's chat completions is one) turns a neutral conversation into a request, and the bytes of the
answer into neutral events. The services know no kind by name: they are passed the registry `claude_bridge.core.kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from attrs import field, frozen

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.conversation import NO_DOCUMENTS, Conversation
from claude_bridge.core.errors import BridgeError, ErrorResponse
from claude_bridge.core.events import Event, Usage
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.model_list import ModelList


@frozen(kw_only=True)
class Clues:
    """What is known so far about a server, by which its dialect may be recognised.

    :ivar host: the host of its URL, in lower case, without port.
    :ivar owners: the values of ``owned_by`` in its list of models.
    :ivar fingerprint: ``system_fingerprint`` of an answer.
    :ivar error: the decoded body of an error response.
    :ivar headers: names and values of an answer's headers, names in lower case.
    """

    host: str = ""
    owners: tuple[str, ...] = ()
    fingerprint: str = ""
    error: object = None
    headers: Mapping[str, str] = field(factory=dict)

    def host_among(self, hosts: Iterable[str]) -> str:
        """Return the host as the reason to recognise a server if it is one of ``hosts``, else "".

        ``hosts``: names, or suffixes with a leading dot.
        """
        known = any(self.host == host or (host[:1] == "." and self.host.endswith(host)) for host in hosts)
        return f"host {self.host}" if known else ""

    def only_owner(self, owner: str) -> str:
        """Return the reason to recognise an engine whose models all name ``owner`` as their owner, or "" if not all do.

        A gateway that merges the lists of several servers has several owners and is none of these engines.
        """
        return f"owned_by {owner} in its model list" if set(self.owners) == {owner} else ""


@frozen(kw_only=True)
class TokenizerEndpoint:
    """Where a backend counts the tokens of a prompt.

    :ivar path: relative to the server's root if it begins with a slash, else to the base URL.
    :ivar key: the field of the response that contains the number.
    :ivar window: the field that contains the context window, or "".
    :ivar fields: the fields of a request that it accepts; the others are left out. None if it takes the whole request.
    """

    path: str
    key: str
    window: str = ""
    fields: tuple[str, ...] | None = ("model", "messages", "tools", "chat_template_kwargs")


class ServerDialect(Protocol):
    """One of the servers that speak a kind of backend's API, as far as the services know it."""

    @property
    def name(self) -> str:
        """Return its name as in ``dialect = NAME``."""

    @property
    def key_header(self) -> str:
        """Return the name of the header for the credential."""

    @property
    def is_anthropic(self) -> bool:
        """Whether it is Anthropic itself, the only one to whom a key that begins with ``sk-ant-`` is sent."""

    @property
    def lists(self) -> tuple[str, ...]:
        """Return the paths of further lists that contain the windows of loaded models."""

    @property
    def speaks_for_itself(self) -> bool:
        """Whether such a server never passes on clues of another one.

        Services and gateways pass on what the engine behind them says, and so may an unknown server.
        """

    def recognised(self, clues: Clues) -> str:
        """Return the clue by which this server is recognised ("host api.deepseek.com"), or "" if it is not."""


@frozen
class DialectDecision:
    """A dialect and why it was chosen.

    :ivar known: whether the server was recognised; False for the default.
    """

    dialect: ServerDialect
    why: str
    known: bool = True


def first_recognised(dialects: Iterable[ServerDialect], clues: Clues) -> DialectDecision | None:
    """Return the first of the dialects that recognises the clues, and why; None if none does."""
    for dialect in dialects:
        why = dialect.recognised(clues)
        if why:
            return DialectDecision(dialect, why)
    return None


@frozen(kw_only=True)
class UpstreamFailure:
    """One failure of a backend, parsed.

    :ivar status: of the response; for an error inside a stream or a 200 body what its code stands for, else 502.
    :ivar code: the server's own code, a number as its digits.
    :ivar type: the server's own class of error.
    :ivar message: one line, not yet redacted, hence not in the repr.
    :ivar retry_after: seconds, as the backend said, not capped.
    :ivar prompt_tokens: the prompt's size where the backend reported it in a field of its own (llama.cpp).
    :ivar context_window: likewise the window, in tokens.
    :ivar answered: the status of the response, whatever its body meant; 0 if unknown.
    :ivar page: the title of the web page if the body was one, maybe empty; else None.
    :ivar response: the response itself, if it is in the clients' own API; else None.
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
    response: ErrorResponse | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Adjustment:
    """How to send the request again after a refusal, and what to remember about the model once that helped.

    :ivar why: each reason is good for one retry: ``echo``, ``limit``, ``shrink``, ``credit``, ``reasoning_levels``, or
        another trait and its new value, as ``schema = bare``. Lists of levels are too many to try them all.
    :ivar overrides: the traits that turned out to be different, by name.
    :ivar refuses_reasoning: whether past reasoning is to be left out.
    :ivar max_output_tokens: the largest answer, in tokens, as the refusal named it.
    :ivar max_tokens: what to ask for instead in this request, or None to leave that to the kind of backend.
    :ivar remembered: whether it is about the model, so that later requests are sent like this; else about this request.
    """

    why: str
    overrides: Mapping[str, Any] = field(factory=dict)
    refuses_reasoning: bool = False
    max_output_tokens: int | None = None
    max_tokens: int | None = None
    remembered: bool = True

    @property
    def rejected(self) -> str:
        """What the backend did not accept, as the object of a sentence."""
        if self.refuses_reasoning:
            return "past reasoning"
        return "a request" if self._limit is None else "max_tokens"

    @property
    def instead(self) -> str:
        """How the request is sent now, as the end of a sentence."""
        if self.refuses_reasoning:
            return "without it"
        if self._limit is not None:
            return f"with {self._limit}"
        return f"with {self.why}" if "=" in self.why else f"with other {self.why}"

    @property
    def _limit(self) -> int | None:
        return self.max_tokens if self.max_output_tokens is None else self.max_output_tokens


@frozen(kw_only=True)
class Advice:
    """What follows from a refusal.

    :ivar adjustment: how to send the request again, or None if that cannot help.
    :ivar context_window: the window that it names, in tokens, or None.
    """

    adjustment: Adjustment | None = None
    context_window: int | None = None


@frozen
class OriginalRequest:
    """A client's request as it was received.

    :ivar body: the JSON that was decoded: decompressed, without lone surrogates, and without
        the tag with which a subagent's model is named.
    :ivar headers: names in lower case, the credential among them.
    :ivar derived: what kinds of backends worked out from the body, for another attempt.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    derived: dict[Hashable, object] = field(factory=dict, init=False, repr=False, eq=False)


class ClientRequest(Protocol):
    """A client's request as a kind of backend sees it."""

    @property
    def conversation(self) -> Conversation:
        """Return it in neutral terms; raise `InvalidRequest` naming what is malformed."""

    @property
    def session(self) -> str:
        """Return the client's own id of the conversation, or "" if it gives none."""

    @property
    def original(self) -> OriginalRequest | None:
        """Return it as it was received; None where no backend passes requests through, or where the bridge made it."""


@frozen
class NeutralRequest:
    """A request that was made in neutral terms, such as the doctor's; implements `ClientRequest`."""

    conversation: Conversation
    session: str = ""
    original: OriginalRequest | None = None


@frozen(kw_only=True)
class Circumstances:
    """The context of a failure that its explanation needs.

    :ivar backend: its name in the configuration.
    :ivar url: the address of the request, without secrets.
    :ivar model: the name that the client asked for.
    :ivar forwarded: whether the credential was the client's own.
    :ivar estimate: the bridge's estimate of the prompt's tokens.
    :ivar scrub: removes every known credential from a text.
    :ivar names: names in the configuration, which may look like credentials but are none.
    :ivar section: the name of the model's section in the configuration, ``[model:NAME]``; "" if it has none.
    """

    backend: str
    url: str
    model: str
    forwarded: bool
    estimate: int
    scrub: Callable[[str], str]
    names: Collection[str] = ()
    section: str = ""


@frozen(kw_only=True)
class Explanation:
    """What a failure means to the client.

    :ivar error: the error for the client.
    :ivar log_reason: what to log instead of the error's message if that quotes the prompt; else "".
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
    """Reader of one answer: bytes in, neutral events out.

    :ivar data_event_seen: whether the backend has sent anything that is not a keep-alive.
    :ivar failure: an error that the backend reported inside its answer, decoded, else None.
    :ivar late_failure: one that it reported after the finish reason, which ends the answer normally.
    :ivar error: what is wrong with the answer itself, else None.
    :ivar fingerprint: the answer's ``system_fingerprint``, or "".
    """

    data_event_seen: bool
    failure: object
    late_failure: object
    error: BridgeError | None
    fingerprint: str

    @property
    def finish_seen(self) -> bool:
        """Whether the finish reason has come; only late usage may follow."""

    @property
    def reported_usage(self) -> Usage | None:
        """Return the backend's own counts so far, None if it has reported none: what an answer used that fails."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Note the headers of the response, once, before its body; names are in lower case."""

    @property
    def done(self) -> bool:
        """Whether `Finished` was returned; everything later is ignored."""

    def feed(self, data: bytes) -> list[Event]:
        """Decode body bytes and return the events they complete; check `failure` and `error` afterwards."""

    def close(self) -> list[Event]:
        """Return the last events, at the end of the body; sets `error` if the answer is not finished."""


class Prepared(Protocol):
    """The request of one attempt, ready to be sent."""

    @property
    def path(self) -> str:
        """Return the path relative to the backend's url, without a leading slash."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the headers that this kind of backend needs, without the credential."""

    @property
    def client_key_header(self) -> str:
        """Return the header for the client's own credential, or "" for that of the backend's dialect."""

    @property
    def body(self) -> bytes:
        """Return the body to send."""

    @property
    def with_tools(self) -> bool:
        """Whether tools are offered, in which case the answer may be silent for longer."""

    @property
    def dropped_keywords(self) -> frozenset[str]:
        """Return the keywords that were dropped from the schemas of tools."""

    @property
    def answer_shape(self) -> AnswerShape | None:
        """Return the shape that the answer must have and that the server does not guarantee."""

    def reader(self, limits: AnswerLimits, random_bytes: RandomBytes) -> AnswerReader:
        """Return a new reader for the answer."""

    def adjust(self, failure: UpstreamFailure, *, estimate: int) -> Advice:
        """Return how to ask again after a refusal. ``estimate``: the bridge's estimate of the prompt's tokens."""

    def explain(self, failure: UpstreamFailure, circumstances: Circumstances) -> Explanation:
        """Return what a failure means to the client."""

    def describe(self, failure: UpstreamFailure) -> str:
        """Return a description of a failure for the log, without words that may quote the prompt."""


class Preparation(Protocol):
    """Work on a large request that goes before `Target.prepare`, in small steps; its result is kept for that."""

    @property
    def key(self) -> Hashable:
        """Return what the result depends on besides the request: the work for one key is done once in a request."""

    def step(self) -> bool:
        """Do the next step and return whether it was the last; raise `InvalidRequest` as `Target.prepare` does."""


class Target(Protocol):
    """One model at one backend, with everything that a request depends on; a value."""

    @property
    def model(self) -> str:
        """Return the backend's own name of the model."""

    @property
    def passes_through(self) -> bool:
        """Whether it gets a request as it was received, see `BackendKind.passes_through`."""

    @property
    def context_window(self) -> int | None:
        """Return the context window in tokens, prompt and answer together, where known."""

    @property
    def window_configured(self) -> bool:
        """Whether the context window was configured, so that it overrides what the backend reports."""

    @property
    def max_output_tokens(self) -> int | None:
        """Return the largest ``max_tokens`` to ask for, where known."""

    @property
    def strip_attribution(self) -> bool:
        """Whether the client's attribution block is left out."""

    @property
    def truncates(self) -> bool:
        """Whether the server silently truncates a prompt that is too long."""

    @property
    def documents_as_text(self) -> bool:
        """Whether documents are sent as text, which must then be passed to `prepare`."""

    @property
    def tokenizer(self) -> TokenizerEndpoint | None:
        """Return where its prompts can be counted, or None."""

    def prepare(
        self,
        asked: ClientRequest,
        *,
        estimate: int = 0,
        max_tokens: int | None = None,
        documents: Mapping[str, str] = NO_DOCUMENTS,
    ) -> Prepared:
        """Return the request to the backend for a client's request.

        :param estimate: the prompt's tokens, roughly, to limit the answer to what the window leaves.
        :param max_tokens: overrides the client's, for the retry after an overflow.
        :param documents: base64 text of a PDF -> its text, where `documents_as_text`.

        Raises `InvalidRequest` for what the model cannot do.
        """

    def preparation(self, asked: ClientRequest) -> Preparation | None:
        """Return the work to be done before `prepare`, or None if that takes no time worth mentioning."""

    def adjusted(self, overrides: Mapping[str, Any], *, refuses_reasoning: bool, max_output_tokens: int | None) -> Self:
        """Return the target with what refusals taught, or itself if there is nothing.

        Past reasoning is left out if it is refused and no policy is configured; the answer's limit is only lowered.
        """

    def with_window(self, context_window: int | None) -> Self:
        """Return the target with another window."""


TargetT = TypeVar("TargetT", bound=Target)


class BackendKind(Protocol):
    """A kind of backend: one API that servers speak, ``kind = NAME`` in the configuration."""

    @property
    def api_name(self) -> str:
        """Return the name of the API, as the object of a sentence."""

    @property
    def passes_through(self) -> bool:
        """Whether it speaks the clients' own API, so that requests and answers are passed on as they are.

        Such a backend gets a request as it was received, and the bridge adds nothing of its own to the answer: no
        searches, no repairs, no local answers.
        """

    @property
    def request_path(self) -> str:
        """Return the path of a request for an answer, relative to the backend's url: that of `Prepared`."""

    @property
    def models_path(self) -> str:
        """Return the path of the list of models, relative to the backend's url."""

    @property
    def places(self) -> Sequence[str]:
        """Return where the API may be on a server, as what stands before its paths.

        The first is "", for the backend's url; the others begin with a slash and replace the version of that url. The
        second is the usual one.
        """

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the headers that every request needs which the bridge makes on its own, as for the list of models."""

    def base(self, url: str) -> str:
        """Return the base of a backend's url, without the path of an endpoint that a user may have copied with it.

        Paths are relative to it; ``url`` has no slash at its end.
        """

    def traits(self, dialect: str, model: str) -> Mapping[str, Any]:
        """Return the traits of a model at a server by the names of their options; the names are always the same."""

    def trait_words(self, name: str) -> Sequence[str]:
        """Return the words that the option of a trait may have, or () if the configuration itself knows them."""

    @property
    def dialects(self) -> Mapping[str, ServerDialect]:
        """Return the known dialects by name."""

    @property
    def undecided(self) -> DialectDecision:
        """Return the decision for a server about which nothing is known yet."""

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
        """Return the target for a model; ``overrides``: those of `traits` that are configured differently, by name."""

    def read_models(self, body: bytes) -> ModelList | None:
        """Return the list of models in a response's body, or None if it contains none."""

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamFailure:
        """Return the failure that an error response reports; header names are in lower case, ``now`` is Unix time."""

    def read_error(self, value: object) -> UpstreamFailure:
        """Return the failure that a decoded error inside an answer reports."""
