"""A configuration as it is put together from another tool's file, before it is written as INI text.

The classes have the keys of their sections by the same names: what is None or empty is left out, so that the bridge's
own default holds. `claude_bridge.importers.ini_text` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, TypeAlias

from attrs import Factory, define, field, frozen

from claude_bridge.importers.text import Text

Value: TypeAlias = str | bool | int | float | Decimal | Text
"""One line of a key; a `str` is written with its ``$`` escaped."""

NOT_KEYS = frozenset({"name", "came_from", "notes", "traits", "models_of"})
"""Fields of the classes that are no keys of a section."""


@frozen(kw_only=True)
class Section:
    """One section of the configuration.

    :ivar came_from: the path in the source, such as ``Providers[0]``; becomes a comment.
    :ivar notes: more comments, one line each, without secrets.
    """

    word: ClassVar[str]
    name: str = ""
    came_from: str = ""
    notes: tuple[str, ...] = ()


@frozen(kw_only=True)
class ImportedServer(Section):
    """``[server]``; ``listen`` is that of the old program with ``--keep-port`` only."""

    word = "server"
    listen: tuple[Value, ...] = ()
    credentials: str = ""
    allow_open: bool | None = None
    allowed_hosts: tuple[Value, ...] = ()


@frozen(kw_only=True)
class KeyOfBackend:
    """One line of a backend's ``api_key``."""

    key: Text
    weight: int | None = None
    rpm: int | None = None
    tpm: int | None = None

    @property
    def options(self) -> str:
        """The options as they stand after the key, each with a space in front."""
        given = {"weight": self.weight, "rpm": self.rpm, "tpm": self.tpm}
        return "".join(f" {name}={value}" for name, value in given.items() if value is not None)


@frozen(kw_only=True)
class ImportedBackend(Section):
    """``[backend:NAME]``; times are in seconds."""

    word = "backend"
    url: Value
    kind: str = ""
    dialect: str = ""
    api_key: tuple[KeyOfBackend, ...] = ()
    key_strategy: str = ""
    connect_timeout: float | None = None
    first_byte_timeout: float | None = None
    idle_timeout: float | None = None
    max_streams: int | None = None
    proxy: Value | None = None
    ca_file: Value | None = None
    headers: tuple[tuple[str, Value], ...] = ()


@frozen(kw_only=True)
class ImportedModel(Section):
    """``[model:NAME]``; ``model`` is the backend's own name of it, which the INI calls ``name``.

    :ivar traits: further keys of the section, such as ``reasoning_control``.
    """

    word = "model"
    backend: str
    model: Value
    label: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    traits: Mapping[str, Value] = Factory(dict)


@frozen(kw_only=True)
class ImportedRoute(Section):
    """``[route:NAME]``."""

    word = "route"
    models: tuple[str, ...]
    match: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    patience: float | None = None
    max_attempts: int | None = None
    max_wait: float | None = None


@frozen(kw_only=True)
class ImportedPrice(Section):
    """``[price:NAME]``, in dollars per million tokens."""

    word = "price"
    input: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    output: Decimal
    reasoning: Decimal | None = None
    above: tuple[str, ...] = ()


@frozen(kw_only=True)
class ImportedKey(Section):
    """``[key:NAME]``: a client's key, and what it may do."""

    word = "key"
    secret: Text | None = None
    hash: str = ""
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    rpm: int | None = None
    tpm: int | None = None
    max_streams: int | None = None


@frozen(kw_only=True)
class ImportedBudget(Section):
    """``[budget:NAME]``; ``whom`` is what the INI calls ``for``."""

    word = "budget"
    whom: str
    amount: Decimal | None = None
    tokens: int | None = None
    per: str = ""
    timezone: str = ""
    warn: str = ""
    then: str = ""


@frozen(kw_only=True)
class ImportedWebSearch(Section):
    """``[web_search]``."""

    word = "web_search"
    engine: str
    url: Value | None = None
    api_key: Text | None = None


@frozen(kw_only=True)
class ImportedLog(Section):
    """``[log]``."""

    word = "log"
    level: str = ""
    format: str = ""


@frozen(kw_only=True)
class ImportedBreaker(Section):
    """``[breaker]``; the time is in seconds."""

    word = "breaker"
    enabled: bool | None = None
    failures: int | None = None
    open_seconds: float | None = None


@frozen(kw_only=True)
class ImportedLimits(Section):
    """``[limits]``; ``max_body`` as a file has it, ``20M``."""

    word = "limits"
    max_body: str = ""
    max_streams: int | None = None


@frozen
class Finding:
    """Something in the source that the result does not have, or has in another way.

    :ivar path: where it is in the source, such as ``Providers[0].transformer.use[1]``; without secrets.
    :ivar meaning: what follows for the user, one sentence without a full stop.
    :ivar lost: whether it was not carried over; false for what needs no counterpart here, or has another form.
    """

    path: str
    meaning: str
    lost: bool = True


@define(kw_only=True)
class ImportedConfiguration:
    """All of it, as far as it has been read.

    :ivar tool: the name of the other tool, for messages.
    :ivar old_address: URL at which the old program serves, for the words on how to go back; "" if unknown.
    :ivar how_back: how the old program is started again, such as ``ccr start``; "" if unknown.
    :ivar models_without_section: how many models are reached as ``backend/model`` alone.
    :ivar source_words: what the file is called in the first comment of the result.
    """

    tool: str
    source_words: str
    old_address: str = ""
    how_back: str = ""
    server: ImportedServer = Factory(ImportedServer)
    log: ImportedLog | None = None
    breaker: ImportedBreaker | None = None
    limits: ImportedLimits | None = None
    backends: list[ImportedBackend] = field(factory=list)
    models: list[ImportedModel] = field(factory=list)
    models_without_section: int = 0
    routes: list[ImportedRoute] = field(factory=list)
    prices: list[ImportedPrice] = field(factory=list)
    keys: list[ImportedKey] = field(factory=list)
    budgets: list[ImportedBudget] = field(factory=list)
    web_search: ImportedWebSearch | None = None
    findings: list[Finding] = field(factory=list)
    _known: set[Finding] = field(factory=set, init=False, repr=False, eq=False)

    def lose(self, path: str, meaning: str) -> None:
        """Report something that is not carried over."""
        self._find(Finding(path, meaning))

    def remark(self, path: str, meaning: str) -> None:
        """Report something that is not needed here, or has another form here."""
        self._find(Finding(path, meaning, lost=False))

    def _find(self, finding: Finding) -> None:
        if finding not in self._known:
            self._known.add(finding)
            self.findings.append(finding)
