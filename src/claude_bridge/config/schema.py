"""What a valid configuration is: one frozen class a section, with defaults and bounds.

Every field is one INI key of the same name. ``metadata`` carries what the README table and
``etc/claude-bridge.ini`` say of it, so that code and documentation cannot drift apart.
Times are seconds, sizes are bytes unless a name says otherwise. Fields without a ``help`` are not keys:
they hold the NAME of the section.
"""

# ruff: noqa: RUF009 - `option` is `attrs.field`, which the rule would know by name

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import Factory, field, frozen
from attrs.validators import optional

from claude_bridge.config.bounds import PAUSE, SIZE, TOKENS, WAIT, Between, OneOf
from claude_bridge.config.secret import Secret
from claude_bridge.core.dialect import DIALECTS
from claude_bridge.core.target import ReasoningControl, ReasoningEcho, SystemMessages

CredentialsPolicy = Literal["forward", "keys", "none"]
ShowReasoning = Literal["auto", "always", "never"]
LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warn", "error"]


def option(default: Any, help: str, *, unit: str = "", shape: str = "", **more: Any) -> Any:  # noqa: A002, ANN401 - as attrs.field
    """One INI key: its default, the sentence that documents it, and where its type does not say it, its shape."""
    return field(default=default, metadata={"help": help, "unit": unit, "shape": shape}, **more)


def _header_names(headers: tuple[tuple[str, str], ...]) -> str:
    """Show no header values: some hold keys."""
    return repr(tuple(name for name, _ in headers))


@frozen(kw_only=True)
class Server:
    """``[server]``: where to listen and whom to serve."""

    listen: tuple[str, ...] = option(
        ("tcp:8080:interface=127.0.0.1",),
        "Twisted server endpoint strings, one a line.",
        shape="endpoint",
    )
    credentials: CredentialsPolicy = option(
        "forward",
        "`forward`: the client's key goes to the backend unless the backend has its own; `keys`: clients need "
        "one of the `[key:*]` secrets; `none`: nobody is asked.",
    )
    allow_open: bool = option(False, "Allow a listener beyond loopback although anybody could spend your key.")
    allowed_hosts: tuple[str, ...] = option(
        (),
        "More names that clients may use in `Host`, one a line, without port.",
        shape="host",
    )
    allowed_origins: tuple[str, ...] = option((), "Browser origins that may call, one a line.", shape="origin")
    list_backend_models: bool | None = option(
        None,
        "Show the backends' own models in `/v1/models` beside the configured names. "
        "Default: yes where no `[model:*]` is configured, else no.",
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


@frozen(kw_only=True)
class Backend:
    """``[backend:NAME]``: one upstream base URL with its credential and its dialect."""

    name: str
    url: str = option(
        "http://127.0.0.1:8000/v1",
        "Base URL, mostly ending in `/v1`, or the full path to chat completions.",
        shape="url",
    )
    kind: Literal["openai"] = option("openai", "What the backend speaks: `openai` (chat completions).")
    dialect: str = option(
        "auto",
        "`auto` or the name of a dialect; today `generic` is the only one.",
        validator=OneOf(("auto", *DIALECTS)),
    )
    api_key: Secret | None = option(
        None,
        "The backend's own key, which replaces the client's: `${VAR}`, `file:/path` or `credential:NAME`. "
        "Default: none.",
    )
    connect_timeout: float = option(10.0, "Limit for the connection.", unit="s", validator=WAIT)
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
    ca_file: str | None = option(
        None,
        "PEM file with the certificate authority to trust instead of the system's. Default: none.",
    )
    headers: tuple[tuple[str, str], ...] = option(
        (),
        "More request headers, `Name: value`, one a line.",
        shape="header",
        repr=_header_names,
    )
    strip_attribution: bool = option(True, "Drop Claude Code's billing line, which spoils prefix caches.")


@frozen(kw_only=True)
class Model:
    """``[model:NAME]``: one model at one backend, under a name of yours."""

    alias: str
    backend: str = option("", "Name of the `[backend:*]` that serves it. Default: the only backend.")
    name: str = option("", "What the backend calls it. Default: the section's name.")
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
    reasoning_control: ReasoningControl = option(
        "none",
        "How to ask for more or less thinking: `none`, `effort` (`reasoning_effort`), `enable_thinking` "
        "(`chat_template_kwargs`), `thinking_type` (`thinking: {type}`).",
    )
    reasoning_echo: ReasoningEcho = option(
        "auto",
        "Which past thinking goes back as `reasoning_content`: `auto` (tool turns after the last user text; off "
        "after the backend refuses it), `never`, `tool_turns`, `all_turns` (DeepSeek insists on that), "
        "`after_last_user`. With `tool_turns` and `all_turns` a space stands for thinking that is not there.",
    )
    show_reasoning: ShowReasoning = option(
        "auto",
        "Give thinking to the client: `auto` (when it asked), `always`, `never`.",
    )
    system_messages: SystemMessages = option(
        "fold",
        "System messages inside the conversation: `fold` into the user turn, or leave `inline`.",
    )


@frozen(kw_only=True)
class Route:
    """``[route:NAME]``: the models for a kind of request. Today one route, `default`, of one model."""

    name: str
    models: tuple[str, ...] = option((), "The one `[model:*]` that takes every name not configured. Must be given.")


@frozen(kw_only=True)
class ClientKey:
    """``[key:NAME]``: one client's secret, for ``credentials = keys``."""

    name: str
    secret: Secret = option(
        Factory(lambda: Secret("")),
        "What the client sends: `${VAR}`, `file:/path` or `credential:NAME`. Must be given.",
    )


@frozen(kw_only=True)
class Breaker:
    """``[breaker]``: the optional circuit breaker, one circuit a backend."""

    enabled: bool = option(False, "Stop asking a backend that keeps failing.")
    failures: int = option(5, "Failures in a row that open the circuit.", validator=Between(1, 10_000))
    open_seconds: float = option(30.0, "How long it stays open before one request may try.", unit="s", validator=WAIT)


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
        16 * 1024 * 1024,
        "Largest single event read from a backend.",
        unit="bytes",
        validator=SIZE,
    )
    header_timeout: float = option(30.0, "Limit for a client's request head.", unit="s", validator=WAIT)
    keep_alive: float = option(75.0, "How long an idle client connection stays open.", unit="s", validator=WAIT)
    stalled_client: float = option(600.0, "How long a client may leave its answer unread.", unit="s", validator=WAIT)


@frozen(kw_only=True)
class Log:
    """``[log]``: what is written to standard error."""

    level: LogLevel = option("info", "`debug`, `info`, `warn` or `error`.")
    format: LogFormat = option(
        "auto", "`json` (one object a line), `text` (for a person), or `auto`: `text` on a terminal, else `json`."
    )


@frozen(kw_only=True)
class Config:
    """The whole configuration. ``source`` says where it came from, for messages."""

    server: Server = Factory(Server)
    backends: Mapping[str, Backend] = Factory(dict)
    models: Mapping[str, Model] = Factory(dict)
    routes: Mapping[str, Route] = Factory(dict)
    keys: Mapping[str, ClientKey] = Factory(dict)
    breaker: Breaker = Factory(Breaker)
    limits: Limits = Factory(Limits)
    log: Log = Factory(Log)
    source: str = "environment"
