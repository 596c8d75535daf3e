"""What a valid configuration is: one frozen class a section, with defaults and bounds.

Every field is one INI key of the same name. ``metadata`` carries what the table in docs/configuration.md and
``etc/claude-bridge.reference.ini`` say of it, so that code and documentation cannot drift apart.
Times are seconds, sizes are bytes unless a name says otherwise. Fields without a ``help`` are not keys:
they hold the NAME of the section. The validators are called by attrs, and by `fields`, which reports all mistakes.
"""

# ruff: noqa: RUF009 - `option` is `attrs.field`, which the rule would know by name

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

from attrs import Attribute, Factory, field, fields, fields_dict, frozen
from attrs.validators import optional

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.budget_values import REFUSE
from claude_bridge.config.listeners import tcp
from claude_bridge.config.price_values import PriceTier
from claude_bridge.config.problems import Problem, not_allowed
from claude_bridge.config.proxy import ProxySetting
from claude_bridge.config.secret import Secret, hash_of
from claude_bridge.core.anthropic_backend.dialect import Signatures
from claude_bridge.core.budget_periods import Per
from claude_bridge.core.budgets import Scope
from claude_bridge.core.call_ids import ToolIds
from claude_bridge.core.chat_completions.traits import (
    CallContent,
    MaxTokensField,
    Prefill,
    ReasoningControl,
    ReasoningEcho,
    ReasoningField,
    RequestField,
    StreamUsage,
    StructuredOutput,
    SystemRole,
    Traits,
)
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.json_schema.levels import SchemaLevel
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.media_parts import ImageSupport, PdfSupport
from claude_bridge.core.messages_api.limits import BOUNDS, RequestLimits
from claude_bridge.core.prices import Price, per_token
from claude_bridge.core.routing import Condition
from claude_bridge.core.tool_choice import ToolChoices
from claude_bridge.core.turns import SystemMessages
from claude_bridge.core.web_search.engines import ENGINES, Engine


@frozen
class Between:
    """A number from ``low`` to ``high``, both allowed."""

    low: float
    high: float

    def __call__(self, _instance: object, attribute: Attribute[Any], value: float) -> None:
        """Raise `ValueError` for a number outside."""
        if not self.low <= value <= self.high:
            unit = attribute.metadata.get("unit", "")
            raise ValueError(f"must be from {self.low:,} to {self.high:,} {unit}".rstrip())


@frozen
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str) -> None:
        """Raise `ValueError` with the nearest word and all of them."""
        if value not in self.words:
            raise ValueError(not_allowed(value, self.words))


DAY = 86_400
WAIT = Between(0.001, DAY)
"""A time limit: 0 would fail every request, and nobody watches for more than a day."""
PAUSE = Between(0, DAY)
"""A time that may be nothing."""
SIZE = Between(1, 1024**3)
"""A size held in memory: 1 GiB, beyond which a daemon on a home server is killed anyway."""
TOTAL = Between(1, 1024**4)
"""A size held by all requests together: 1 TiB, as large servers have."""
RATE = Between(0, 1024**2)
"""Bytes a second, or no limit: a client that sends a megabyte a second is not slow."""
TOKENS = Between(1, 1_000_000_000)
"""A count of tokens: far above any window, below any overflow."""


CredentialsPolicy = Literal["forward", "keys", "none"]
ShowReasoning = Literal["auto", "always", "never"]
KeyStrategy = Literal["fill_first", "round_robin", "least_used"]
LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warn", "error"]


def option(default: Any, help: str, *, unit: str = "", shape: str = "", **more: Any) -> Any:  # noqa: A002, ANN401 - as attrs.field
    """One INI key: its default, the sentence that documents it, and where its type does not say it, its shape."""
    return field(default=default, metadata={"help": help, "unit": unit, "shape": shape}, **more)


def override(trait: str) -> Any:  # noqa: ANN401 - as attrs.field
    """One INI key that overrides what the dialect says of a model; the trait documents itself."""
    return option(None, f"{fields_dict(Traits)[trait].metadata['help']} Default: the dialect's.")


def _header_names(headers: tuple[tuple[str, str], ...]) -> str:
    """Show no header values: some hold keys."""
    return repr(tuple(name for name, _ in headers))


@frozen(kw_only=True)
class Server:
    """``[server]``: where to listen and whom to serve."""

    listen: tuple[str, ...] = option(
        (tcp(8080, "127.0.0.1"),),
        "Twisted server endpoint strings, one per line.",
        shape="endpoint",
    )
    credentials: CredentialsPolicy = option(
        "forward",
        "`forward`: the client's key goes to the backend unless the backend has its own; `keys`: clients need "
        "one of the `[key:*]` secrets; `none`: no key is required.",
    )
    allow_open: bool = option(False, "Allow a listener beyond loopback although anybody could spend your key.")
    allowed_hosts: tuple[str, ...] = option(
        (),
        "More names that clients may use in `Host`, one per line, without port.",
        shape="host",
    )
    allowed_origins: tuple[str, ...] = option((), "Browser origins that may call, one per line.", shape="origin")
    list_backend_models: bool | None = option(
        None,
        "Show the backends' own models in `/v1/models` beside the configured names. "
        "Default: yes where no `[model:*]` is configured, else no.",
    )
    check_backends: bool = option(
        True,
        "Ask each backend for its list of models at the start, with its own key if it has one, and log in one line "
        "whether it is up, what it is, or what is wrong. No token is spent and nothing waits for it.",
    )
    commit_after: float = option(
        10.0,
        "How long an error can still keep its true status before a streaming client gets its headers.",
        unit="s",
        validator=PAUSE,
    )
    ping_interval: float = option(
        10.0, "Silence after which a streaming client gets a `ping`.", unit="s", validator=WAIT
    )
    drain_timeout: float = option(60.0, "How long a stop waits for answers under way.", unit="s", validator=PAUSE)
    state_dir: str | None = option(
        None,
        "Directory that keeps what backends reveal (windows, limits, token ratios; nothing of a conversation) across "
        "restarts, or `none`. Default: `$STATE_DIRECTORY`, `$XDG_STATE_HOME/claude-bridge` or "
        "`~/.local/state/claude-bridge`.",
        shape="directory",
    )


TRAITS: Final = (*(each.name for each in fields(Traits)), "signatures")
"""The keys of ``[model:*]`` that override what the dialect says of a model."""


@frozen(kw_only=True)
class Backend:
    """``[backend:NAME]``: one upstream base URL with its credential and its dialect."""

    name: str
    url: str = option(
        "http://127.0.0.1:8000/v1",
        "Base URL, usually ending in `/v1`, or the full path of its endpoint; with `kind = anthropic` what "
        "`ANTHROPIC_BASE_URL` would be.",
        shape="url",
    )
    kind: Literal["openai", "anthropic", "responses"] = option(
        "openai",
        "What the backend speaks: `openai` (chat completions), `anthropic` (Anthropic's Messages API, which is passed "
        "through) or `responses` (OpenAI's Responses API).",
    )
    dialect: str = option(
        "auto",
        "`auto` (by the host, else by what the backend reveals) or the name of a dialect.",
        validator=OneOf(("auto", *dict.fromkeys(name for kind in KINDS.values() for name in kind.dialects))),
    )
    api_key: tuple[BackendKey, ...] = option(
        (),
        "The backend's own key, which replaces the client's: `${VAR}`, `file:/path`, `credential:NAME`, or "
        "`command:PROGRAM ARGUMENTS`, run without a shell, whose output is the key. Several, one per line, share the "
        "requests. After each may stand `weight=N` (its share), `rpm=N` and `tpm=N` (requests and tokens a minute).",
    )
    key_strategy: KeyStrategy = option(
        "fill_first",
        "Which of several keys is used: `fill_first` (the first in the file that may be), `round_robin` (in turns, by "
        "weight), `least_used` (the one with the fewest requests under way, by weight). A conversation keeps its key.",
    )
    api_key_lifetime: float | None = option(
        None,
        "How long a key that a `command:` prints is valid; it is run again at four fifths of that. Default: 1h.",
        unit="s",
        validator=optional(Between(1, 30 * DAY)),
    )
    connect_timeout: float = option(10.0, "Limit for connecting.", unit="s", validator=WAIT)
    first_byte_timeout: float = option(
        900.0,
        "Limit for the first data event of an answer.",
        unit="s",
        validator=WAIT,
    )
    idle_timeout: float | None = option(
        None,
        "Limit for silence inside an answer. Default: 600 where tools were sent, else 300.",
        unit="s",
        validator=optional(WAIT),
    )
    max_connections: int = option(64, "Idle connections kept for reuse.", validator=Between(1, 10_000))
    max_streams: int | None = option(
        None,
        "Requests that it answers at the same time; more wait, and the clients take turns. Default: no limit.",
        validator=optional(Between(1, 100_000)),
    )
    max_queue: int | None = option(
        None,
        "Requests that may wait for `max_streams`; more get 529. Default: 4 times `max_streams`.",
        validator=optional(Between(0, 100_000)),
    )
    queue_timeout: float = option(60.0, "Longest such wait; after it a request gets 529.", unit="s", validator=WAIT)
    ca_file: str | None = option(
        None,
        "PEM file with the certificate authority to trust instead of the system's. Default: none.",
    )
    proxy: ProxySetting = option(
        ProxySetting(),
        "The proxy of every connection to the backend, by CONNECT: `http://[user:password@]host:port`; `env`, as "
        "`https_proxy`, `http_proxy` (lower case only), `all_proxy` and `no_proxy` say, directly for a backend on this "
        "machine; or `none`. Web search stays direct.",
        shape="proxy",
    )
    headers: tuple[tuple[str, str], ...] = option(
        (),
        "More request headers, `Name: value`, one per line.",
        shape="header",
        repr=_header_names,
    )
    strip_attribution: bool = option(True, "Drop Claude Code's billing line, which spoils prefix caches.")

    @property
    def has_key(self) -> bool:
        """Return whether it has a key of its own, which replaces the client's."""
        return bool(self.api_key)

    def with_headers(self, ours: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return the headers of a request: ``ours``, and the configured ones, which replace ours of the same name."""
        if not self.headers:
            return tuple(ours)
        merged = {name.lower(): (name, value) for name, value in ours}
        merged.update((name.lower(), (name, value)) for name, value in self.headers)
        return tuple(merged.values())


@frozen(kw_only=True)
class Model:
    """``[model:NAME]``: one model at one backend, under a name of yours."""

    alias: str
    backend: str = option("", "Name of the `[backend:*]` that serves it. Default: the only backend.")
    name: str = option("", "What the backend calls it. Default: the section's name.")
    label: str | None = option(None, "The name that the client's list of models shows. Default: the section's name.")
    context_window: int | None = option(
        None,
        "Tokens that fit, prompt and answer together. Default: what the backend's list or its errors tell.",
        unit="tokens",
        validator=optional(TOKENS),
    )
    max_output_tokens: int | None = option(
        None,
        "Largest `max_tokens` to ask for. Default: no limit but the window.",
        unit="tokens",
        validator=optional(TOKENS),
    )
    show_reasoning: ShowReasoning = option(
        "auto",
        "Show thinking to the client: `auto` (when it asked), `always`, `never`.",
    )
    reasoning_control: ReasoningControl | None = override("reasoning_control")
    reasoning_levels: tuple[ReasoningLevel, ...] | None = override("reasoning_levels")
    reasoning_field: ReasoningField | None = override("reasoning_field")
    reasoning_echo: ReasoningEcho | None = override("reasoning_echo")
    thinking_opened: bool | None = override("thinking_opened")
    system_messages: SystemMessages | None = override("system_messages")
    system_role: SystemRole | None = override("system_role")
    alternate: bool | None = override("alternate")
    tool_choice: ToolChoices | None = override("tool_choice")
    parallel_tool_calls: bool | None = override("parallel_tool_calls")
    schema: SchemaLevel | None = override("schema")
    strict: bool | None = override("strict")
    tool_ids: ToolIds | None = override("tool_ids")
    call_content: CallContent | None = override("call_content")
    tool_images: bool | None = override("tool_images")
    images: ImageSupport | None = override("images")
    pdf: PdfSupport | None = override("pdf")
    prefill: Prefill | None = override("prefill")
    max_tokens_field: MaxTokensField | None = override("max_tokens_field")
    stream_options: StreamUsage | None = override("stream_options")
    structured_output: StructuredOutput | None = override("structured_output")
    recover_tool_calls: bool | None = override("recover_tool_calls")
    top_k: bool | None = override("top_k")
    drop: tuple[RequestField, ...] | None = override("drop")
    cache_control: bool | None = override("cache_control")
    truncates: bool | None = override("truncates")
    signatures: Signatures | None = option(
        None,
        "With `kind = anthropic`: `checked` leaves out thinking that the backend has not signed, `unchecked` leaves it "
        "in until the backend refuses it. Default: the dialect's.",
    )

    @property
    def overrides(self) -> dict[str, Any]:
        """Return the traits that this section says: none for None, and for an empty tuple just that."""
        said = {name: getattr(self, name) for name in TRAITS}
        return {name: value for name, value in said.items() if value is not None}


@frozen(kw_only=True)
class Route:
    """``[route:NAME]``: the models for a kind of request, and how often they are asked."""

    name: str
    models: tuple[str, ...] = option(
        (),
        "The `[model:*]` that answer, or `backend/model`, in the order in which they are asked; with commas or one per "
        "line. Must be given.",
        shape="model",
    )
    match: tuple[str, ...] = option(
        (),
        "Patterns of model names with `*` and `?`, or `opus`, `sonnet`, `haiku`, `fable` for every name of that "
        "family; with commas or one per line. Default: any name.",
        shape="pattern",
    )
    when: tuple[Condition, ...] = option(
        (),
        "Kinds of requests, with commas or one per line: `background`, `think [LEVEL]`, `long_context TOKENS`, "
        "`web_search`, `image`, `subagent`, `plan`. Default: any request.",
        shape="condition",
    )
    patience: float = option(
        5.0,
        "How long all pauses of one request may be, for models that ask for one, before the next model is asked. "
        "This limit and the next two of `[route:default]` also hold for requests that name their model.",
        unit="s",
        validator=PAUSE,
    )
    max_attempts: int = option(8, "Requests to backends for one request of a client.", validator=Between(1, 100))
    max_wait: float = option(
        120.0,
        "After this time no further attempt begins; one that is under way is not ended.",
        unit="s",
        validator=PAUSE,
    )


DIRECT: Final = Route(name="")
"""The route of a request that goes to the model that it names; its limits are those of ``[route:default]``."""


_DOLLARS: Final = "$ per million tokens"


@frozen(kw_only=True)
class ModelPrice:
    """``[price:NAME]``: what the tokens of a model cost. NAME is a ``[model:*]``, ``backend/model``, or a model."""

    name: str
    input: Decimal | None = option(None, "Tokens of the prompt. Must be given.", unit=_DOLLARS, shape="price")
    cache_read: Decimal | None = option(
        None, "Tokens of the prompt that were read from a cache. Default: as `input`.", unit=_DOLLARS, shape="price"
    )
    cache_write: Decimal | None = option(
        None, "Tokens of the prompt that were written to a cache. Default: as `input`.", unit=_DOLLARS, shape="price"
    )
    output: Decimal | None = option(None, "Tokens of the answer. Must be given.", unit=_DOLLARS, shape="price")
    reasoning: Decimal | None = option(
        None,
        "Tokens of the answer that are reasoning, where they are billed apart. Default: as `output`.",
        unit=_DOLLARS,
        shape="price",
    )
    above: tuple[PriceTier, ...] = option(
        (),
        "Other prices for all tokens where the prompt is longer, cached tokens included: "
        "`200K input 0.60 output 2.20`, one limit per line.",
        unit=_DOLLARS,
        shape="price tier",
    )

    @property
    def price(self) -> Price:
        """Return it in pico-dollars a token."""
        return Price(
            input=per_token(self.input) or 0,
            output=per_token(self.output) or 0,
            cache_read=per_token(self.cache_read),
            cache_write=per_token(self.cache_write),
            reasoning=per_token(self.reasoning),
            tiers=tuple(each.tier for each in self.above),
        )


@frozen(kw_only=True)
class Budget:
    """``[budget:NAME]``: what may be spent, by whom, and what follows when it is."""

    name: str
    for_: Scope = option(
        Scope(),
        "Whom it is for: `all`, `key NAME`, `model NAME`, or each `session` or `agent` by itself, which are the "
        "client's conversations and subagents.",
        shape="budget scope",
    )
    amount: Decimal | None = option(
        None, "What may be spent. Either this or `tokens` must be given.", unit="$", shape="dollars"
    )
    tokens: int | None = option(
        None,
        "Tokens that may be used, those of prompts and of answers, cached ones included.",
        unit="tokens",
        validator=optional(Between(1, 10**13)),
    )
    per: Per | None = option(
        None,
        "When it starts again: `hour`, `day`, `week` (on Monday), `month`. Must be given, but for a `session` or an "
        "`agent`, which has one budget.",
        shape="budget period",
    )
    timezone: str = option("UTC", "The time zone of its periods, such as `Europe/Berlin`.", shape="timezone")
    warn: int = option(
        80, "The part from which on the log warns of it.", unit="%", shape="percent", validator=Between(1, 100)
    )
    then: str = option(
        REFUSE,
        "What follows when it is spent: `refuse`, or `route NAME`, a route with other models.",
        shape="budget end",
    )


setattr(Budget, "for", property(lambda self: self.for_))  # what the key is called, which is no name in Python


@frozen(kw_only=True)
class ClientKey:
    """``[key:NAME]``: one client's key, what it may use and how much, for ``credentials = keys``."""

    name: str
    secret: Secret | None = option(
        None,
        "What the client sends: `${VAR}`, `file:/path` or `credential:NAME`. This or `hash` must be given.",
    )
    hash: str | None = option(
        None,
        "Instead of `secret`: `sha256:` and the SHA-256 of what the client sends, in hexadecimal. "
        "`claude-bridge key new NAME` makes a key and writes this.",
        shape="key hash",
    )
    models: tuple[str, ...] | None = option(
        None,
        "The only models that the client may use: `[model:*]`, `backend/model`, or patterns of either with `*` and "
        "`?`; with commas or one per line. Default: any.",
        shape="model",
    )
    routes: tuple[str, ...] | None = option(
        None,
        "The only `[route:*]` that its requests may take, with commas or one per line. Without `models` it may still "
        "name any model. Default: any.",
        shape="route",
    )
    rpm: int | None = option(
        None, "Requests in any 60 seconds; more get 429. Default: no limit.", validator=optional(Between(1, 1_000_000))
    )
    tpm: int | None = option(
        None,
        "Tokens in any 60 seconds, of prompts and answers; more get 429. Default: no limit.",
        unit="tokens",
        validator=optional(TOKENS),
    )
    max_streams: int | None = option(
        None,
        "Requests answered at the same time; more get 429. Default: no limit.",
        validator=optional(Between(1, 100_000)),
    )

    @property
    def sent_hash(self) -> str:
        """Return the hash of what the client sends."""
        return self.hash if self.hash is not None else hash_of("" if self.secret is None else self.secret.reveal())


@frozen(kw_only=True)
class BreakerConfig:
    """``[breaker]``: the optional circuit breaker, one circuit a backend."""

    enabled: bool = option(False, "Stop asking a backend that keeps failing.")
    failures: int = option(5, "Failures in a row that open the circuit.", validator=Between(1, 10_000))
    open_seconds: float = option(30.0, "How long it stays open before one request may try.", unit="s", validator=WAIT)


def _named(engines: Iterable[Engine]) -> str:
    return ", ".join(f"`{engine.name}`" if engine.hosted else f"`{engine.name}` (self-hosted)" for engine in engines)


@frozen(kw_only=True)
class WebSearch:
    """``[web_search]``: what answers the web search that Anthropic's own servers would run."""

    engine: str = option(
        "none",
        f"{_named(ENGINES.values())}, or `none`: web search is then refused with a short text.",
        validator=OneOf(("none", *ENGINES)),
    )
    url: str | None = option(
        None,
        "Base URL: of your SearXNG server, whose `search.formats` must have `json`; the others' own is the default.",
        shape="url",
    )
    api_key: Secret | None = option(
        None,
        f"Key for {' or '.join(f'`{engine.name}`' for engine in ENGINES.values() if engine.hosted)}, or a bearer for "
        "`searxng`: `${VAR}`, `file:/path` or `credential:NAME`. Default: none.",
    )
    timeout: float = option(10.0, "Limit for one search, from connecting to its last byte.", unit="s", validator=WAIT)
    max_results: int = option(8, "Results that the model and the client get of one search.", validator=Between(1, 10))


@frozen(kw_only=True)
class Limits:
    """``[limits]``: bounds on what one request may hold."""

    max_body: int = option(
        32 * 1024 * 1024,
        "Largest request body, after decompression.",
        unit="bytes",
        validator=SIZE,
    )
    max_streams: int = option(4000, "Requests answered at the same time; more get 529.", validator=Between(1, 100_000))
    max_held_arguments: int = option(
        16 * 1024 * 1024,
        "Tool arguments held back while an earlier parallel call streams.",
        unit="bytes",
        validator=SIZE,
    )
    max_answer: int = option(
        64 * 1024 * 1024,
        "Largest answer put together for a non-streaming client.",
        unit="bytes",
        validator=SIZE,
    )
    max_event: int = option(
        4 * 1024 * 1024,
        "Largest single event, or answer in one piece, read from a backend.",
        unit="bytes",
        validator=SIZE,
    )
    max_in_progress: int = option(
        256 * 1024 * 1024,
        "What all requests under way may hold in memory, each four times its body, from its first byte to the end of "
        "its answer; beyond it large or old uploads, then new requests get 529. A single one is always served.",
        unit="bytes",
        validator=TOTAL,
    )
    min_body_rate: int = option(
        500,
        "Slowest upload of a request's body, averaged over 30 s; a slower one gets 408. 0: any.",
        unit="bytes/s",
        validator=RATE,
    )
    max_messages: int = option(
        BOUNDS.max_messages, "Most messages of a request; more get 400.", validator=Between(1, 1_000_000)
    )
    max_blocks: int = option(
        BOUNDS.max_blocks,
        "Most content blocks of a request, those in tool results included; one of an unknown type counts as four.",
        validator=Between(1, 1_000_000),
    )
    max_tools: int = option(BOUNDS.max_tools, "Most tools of a request.", validator=Between(1, 100_000))
    max_schema_nodes: int = option(
        BOUNDS.max_schema_nodes,
        "Most JSON objects in the schemas of a request's tools, all together.",
        validator=Between(1, 10_000_000),
    )
    max_images: int = option(
        BOUNDS.max_images, "Most images and documents of a request.", validator=Between(1, 100_000)
    )
    header_timeout: float = option(30.0, "Limit for a client's request head.", unit="s", validator=WAIT)
    keep_alive: float = option(75.0, "How long an idle client connection stays open.", unit="s", validator=WAIT)
    stalled_client: float = option(600.0, "How long a client may leave its answer unread.", unit="s", validator=WAIT)

    @property
    def bounds(self) -> RequestLimits:
        """Return the bounds on what is in one request."""
        return RequestLimits(
            max_messages=self.max_messages,
            max_blocks=self.max_blocks,
            max_tools=self.max_tools,
            max_schema_nodes=self.max_schema_nodes,
            max_images=self.max_images,
        )


@frozen(kw_only=True)
class Log:
    """``[log]``: what is written to standard error."""

    level: LogLevel = option("info", "`debug`, `info`, `warn` or `error`.")
    format: LogFormat = option(
        "auto", "`json` (one object per line), `text` (for a person), or `auto`: `text` on a terminal, else `json`."
    )


@frozen(kw_only=True)
class Ledger:
    """``[ledger]``: the accounts, who used how many tokens of which model and what they cost."""

    enabled: bool | None = option(
        None, "Keep accounts. Default: yes where there is a state directory or `database` is set."
    )
    database: str | None = option(
        None,
        "The SQLite file, readable for the daemon's user only. Default: `ledger.sqlite` in the state directory.",
        shape="database",
    )
    keep: float = option(
        90.0 * DAY,
        "How long each request, attempt, session and agent is kept. Sums by hour are kept for 35 days, sums by day for "
        "ever, without sessions.",
        unit="s",
        validator=Between(DAY, 36_500 * DAY),
    )


@frozen(kw_only=True)
class Config:
    """The whole configuration.

    ``source`` says where it came from, for messages; ``warnings`` are what is valid in it and should be different;
    ``variables`` are section and name, in lower case, of headers whose values came out of variables.
    """

    server: Server = Factory(Server)
    backends: Mapping[str, Backend] = Factory(dict)
    models: Mapping[str, Model] = Factory(dict)
    routes: Mapping[str, Route] = Factory(dict)
    prices: Mapping[str, ModelPrice] = Factory(dict)
    budgets: Mapping[str, Budget] = Factory(dict)
    keys: Mapping[str, ClientKey] = Factory(dict)
    breaker: BreakerConfig = Factory(BreakerConfig)
    web_search: WebSearch = Factory(WebSearch)
    limits: Limits = Factory(Limits)
    log: Log = Factory(Log)
    ledger: Ledger = Factory(Ledger)
    source: str = "environment"
    warnings: tuple[Problem, ...] = ()
    variables: frozenset[tuple[str, str]] = frozenset()
