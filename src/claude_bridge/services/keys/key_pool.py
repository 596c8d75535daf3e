"""The own keys of one backend: which of them may be used now, and which of those is.

A key may be used for a model unless

- the backend said 429 to it for that model, for as long as `cool_downs` says;
- the backend said 402 to it in the last `BILLING_SECONDS`;
- the backend said 403 to it for that model: an account may lack a model, which any client can name. It rests for that
  model as after a 429 without a time;
- the backend refused it (401, or a 403 that calls the key invalid): it is *retired*. That ends with a reload, and after
  `RETIRED_SECONDS` where every key of the backend is retired, so that one mistake of a backend's does not end its
  service;
- its minute is full, by its ``rpm`` or ``tpm``;
- its command has printed no key, see `key_command`.

What is no fault of a key's says nothing about it: the bridge's own faults, clients that left, overload, cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import ClassVar, Final, Literal

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.schema import Backend, KeyStrategy
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import (
    BillingRefused,
    BridgeError,
    KeysCooling,
    KeyUnavailable,
    UpstreamCredentialRefused,
    UpstreamError,
    UpstreamForbidden,
    UpstreamRateLimited,
)
from claude_bridge.services.keys.cool_downs import CoolDowns
from claude_bridge.services.keys.key_command import KeyCommand
from claude_bridge.services.keys.minute import MinuteLimits, SlidingMinute

BILLING_SECONDS: Final = 300.0
RETIRED_SECONDS: Final = 60.0

MAX_MODELS: Final = 256
"""Models of one key that may wait at a time: clients name models."""

ONLY: Final = "backend"
"""The name in records of a key that is its backend's only one."""

Obstacle = Literal["retired", "command", "forbidden", "credit", "rate limit", "own limit"]
"""Why a key may not be used."""


@define(eq=False, kw_only=True)
class PooledKey:
    """One key and what is known of it.

    :ivar name: in records and logs, never a part of the key.
    :ivar number: its place in the file, from 1.
    :ivar command: what prints it, if something does.
    :ivar retired: when the backend refused it (seconds, monotonic); None if it did not.
    :ivar under_way: requests that use it now.
    :ivar tokens: all tokens of its requests that have ended.
    :ivar turn: how much it is its turn, for `round_robin`.
    """

    name: str
    number: int
    command: KeyCommand | None
    weight: int
    _secret: Secret | None
    _limits: MinuteLimits
    _cool_downs: CoolDowns[str] = field(factory=lambda: CoolDowns(MAX_MODELS), init=False)
    _forbidden: CoolDowns[str] = field(factory=lambda: CoolDowns(MAX_MODELS), init=False)
    _no_credit_until: float = field(default=float("-inf"), init=False)
    retired: float | None = field(default=None, init=False)
    under_way: int = field(default=0, init=False)
    tokens: int = field(default=0, init=False)
    turn: int = field(default=0, init=False)

    @property
    def _has_limits(self) -> bool:
        return self._limits.requests is not None or self._limits.tokens is not None

    @property
    def secret(self) -> Secret | None:
        """The key itself, None while its command has not printed a valid one; no use of it."""
        return self._secret if self.command is None else self.command.token

    def take(self) -> Secret | None:
        """Return the key, which is there, to use it."""
        return self._secret if self.command is None else self.command.use()

    def obstacle(self, now: float, model: str, tokens: int) -> tuple[float, Obstacle] | None:
        """Return in how many seconds it may be used for a request, and why not before; None if it may be now.

        Not looked at: whether it is retired, and whether its command has printed it.
        """
        waits = len(self._cool_downs) or len(self._forbidden) or self._has_limits
        if now >= self._no_credit_until and not waits:
            return None
        found: list[tuple[float, Obstacle]] = [
            (self._no_credit_until - now, "credit"),
            (self._cool_downs.ready_in(model, now), "rate limit"),
            (self._forbidden.ready_in(model, now), "forbidden"),
            (self._limited(now, tokens), "own limit"),
        ]
        longest = max(found)
        return longest if longest[0] > 0 else None

    def has_credit(self, now: float) -> bool:
        """Return whether the backend did not lately say that there is none."""
        return now >= self._no_credit_until

    def _limited(self, now: float, tokens: int) -> float:
        """Return the seconds until its minute has room for one request of so many tokens."""
        return max(self._limits.requests_ready_in(now), self._limits.tokens_ready_in(now, tokens))

    def begun(self, now: float, tokens: int) -> None:
        """Note that a request of so many tokens, as far as is known, begins."""
        self.under_way += 1
        self._limits.begun(now, tokens)

    def ended(self, now: float, estimated: int, tokens: int) -> None:
        """Note that a request has ended, which began as one of ``estimated`` tokens."""
        self.under_way -= 1
        self.tokens += tokens
        self._limits.ended(now, estimated, tokens)

    def answered(self, model: str, sent: float) -> None:
        """Note an answer of ``model`` to what was sent at that time."""
        self._cool_downs.succeeded(model, sent=sent)
        self._forbidden.succeeded(model, sent=sent)
        if self.retired is not None and sent > self.retired:
            self.retired = None

    def rate_limited(self, model: str, sent: float, now: float, retry_after: float | None) -> float | None:
        """Note a 429; return the seconds of the wait that begins, None if none does."""
        return self._cool_downs.refused(model, sent=sent, now=now, retry_after=retry_after)

    def forbidden(self, model: str, sent: float, now: float) -> float | None:
        """Note a 403 for one model; return the seconds of the wait that begins, None if none does."""
        return self._forbidden.refused(model, sent=sent, now=now, retry_after=None)

    def out_of_credit(self, now: float) -> bool:
        """Note a 402; return whether that is news."""
        news = self.has_credit(now)
        self._no_credit_until = now + BILLING_SECONDS
        return news


@define(eq=False, kw_only=True)
class KeyUse:
    """One request with one key of a pool. Exactly one of its methods after `begun` is called, once.

    :ivar secret: what is sent.
    :ivar estimated: tokens that the request may take.
    :ivar sent: when it began (seconds, monotonic).
    """

    pool: KeyPool
    key: PooledKey
    secret: Secret | None
    model: str
    estimated: int
    sent: float = field(default=0.0, init=False)

    def begun(self) -> None:
        """Note that the request is sent."""
        self.sent = self.pool.seconds()
        self.key.begun(self.sent, self.estimated)

    def succeeded(self, tokens: int) -> None:
        """Note an answer of so many tokens, prompt included; 0 if that is not known."""
        self.key.ended(self.pool.seconds(), self.estimated, tokens or self.estimated)
        self.key.answered(self.model, self.sent)

    def failed(self, error: BridgeError, retry_after: float | None) -> None:
        """Note an error, with the seconds that the backend named, if it did."""
        self.key.ended(self.pool.seconds(), self.estimated, 0)
        self.pool.failed(self, error, retry_after)

    def abandoned(self) -> None:
        """Note that the client left: the backend has read the prompt, or begun to."""
        self.key.ended(self.pool.seconds(), self.estimated, self.estimated)


@define(eq=False, kw_only=True)
class KeyPool:
    """The keys of one backend, at least one.

    :ivar backend: as it was configured when this was made.
    :ivar seconds: the clock.
    :ivar keys: in the order of the file.
    :ivar has_commands: whether a command prints one of them.
    """

    _log: ClassVar = Logger()

    backend: Backend
    seconds: Callable[[], float]
    keys: tuple[PooledKey, ...]
    has_commands: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Look for commands."""
        self.has_commands = any(key.command is not None for key in self.keys)

    def serves(self, backend: Backend) -> bool:
        """Return whether ``backend``, of another configuration, has these keys at this address."""
        own = self.backend
        return (own.url, own.api_key, own.key_strategy, own.api_key_lifetime) == (
            backend.url,
            backend.api_key,
            backend.key_strategy,
            backend.api_key_lifetime,
        )

    def revive(self) -> None:
        """Use retired keys again: somebody may have seen to them."""
        for key in self.keys:
            key.retired = None

    def take(self, model: str, *, prefer: str = "", tokens: int = 0) -> tuple[PooledKey, KeyUse]:
        """Return the key for a request of so many tokens to ``model``, and its use. Raises what `_unavailable` returns.

        ``prefer``: the name of the key to use if it may be used, whatever the strategy.
        """
        now = self.seconds()
        ready = [
            key for key in self._employed(now) if key.secret is not None and key.obstacle(now, model, tokens) is None
        ]
        if not ready:
            self.prepare_commands()
            raise self._unavailable(now, model, tokens)
        key = next((key for key in ready if key.name == prefer), None) or CHOICES[self.backend.key_strategy](ready)
        return key, KeyUse(pool=self, key=key, secret=key.take(), model=model, estimated=tokens)

    def token(self) -> Deferred[None] | None:
        """Return what to wait for where commands have yet to print every key that could be used; else None."""
        if not self.has_commands:
            return None
        if any(self._is_good(key) for key in self.keys):
            self.prepare_commands()
            return None
        missing = [key.command for key in self.keys if key.command is not None and key.secret is None]
        waits = [wait for command in missing if (wait := command.wait()) is not None]
        return waits[0] if waits else None

    def prepare_commands(self) -> None:
        """Run the commands that have printed no valid key, as far as they may be."""
        for key in self.keys:
            if key.command is not None:
                key.command.prepare()

    def _is_good(self, key: PooledKey) -> bool:
        """Return whether a key is there and nothing stands against it that holds for all models."""
        return key.secret is not None and key.retired is None and key.has_credit(self.seconds())

    def ready_in(self, model: str, tokens: int = 0) -> float:
        """Return the seconds until a key may be used for a request of so many tokens to ``model``, 0 for now.

        A command may have to run first.
        """
        return min(self._obstacles(self.seconds(), model, tokens))[0]

    def _obstacles(self, now: float, model: str, tokens: int) -> list[tuple[float, Obstacle]]:
        """Return of each key in how many seconds it may be used, and the reason why not before; 0 for now."""
        employed = self._employed(now)
        return [self._obstacle(key, now, model, tokens, retired=key not in employed) for key in self.keys]

    def _unavailable(self, now: float, model: str, tokens: int) -> UpstreamError:
        """Return the error of a request for which no key may be used now."""
        name, obstacles = self.backend.name, self._obstacles(now, model, tokens)
        seconds, why = min(obstacles)
        wait = max(1, ceil(seconds))
        if any(each in WAITS for _, each in obstacles):
            told = WAITS.get(why, "for now")
            which = "its key" if len(self.keys) == 1 else f"the first of its {len(self.keys)} keys"
            return KeysCooling(
                f"backend {name} is not asked now ({told}): {which} may be used again in {wait} s", retry_after=wait
            )
        if any(each == "command" for _, each in obstacles):
            return KeyUnavailable(
                f"backend {name} cannot be asked: the command for its key printed no valid one, see the bridge's log",
                retry_after=wait,
            )
        keys = "the key" if len(self.keys) == 1 else f"all {len(self.keys)} keys"
        if any(each == "forbidden" for _, each in obstacles):
            return UpstreamForbidden(
                f"backend {name} does not permit {model} with {keys} that the bridge has for it", should_retry=False
            )
        return UpstreamCredentialRefused(
            f"backend {name} has refused {keys} that the bridge has for it: the bridge's owner has to set a valid one",
            should_retry=False,
        )

    def for_list(self) -> Secret | None:
        """Return the first key that is good for what is not counted, a list of models; None if no command printed one.

        Whether it may be used for a model does not matter: the list is kept by the key that asked for it.
        """
        self.prepare_commands()
        good = [key.secret for key in self.keys if self._is_good(key)]
        held = [key.secret for key in self.keys if key.secret is not None]
        return next(iter(good or held), None)

    def failed(self, use: KeyUse, error: BridgeError, retry_after: float | None) -> None:
        """Learn from an error what it says about a key."""
        if error.fault == "bridge":
            return
        now, key = self.seconds(), use.key
        if isinstance(error, UpstreamRateLimited):
            seconds = key.rate_limited(use.model, use.sent, now, retry_after)
            if seconds is not None and len(self.keys) > 1:
                self._tell_waiting(key, use.model, seconds)
        elif isinstance(error, BillingRefused):
            if key.out_of_credit(now):
                self._tell_no_credit(key)
        elif isinstance(error, UpstreamForbidden):
            seconds = key.forbidden(use.model, use.sent, now)
            if seconds is not None:
                self._tell_forbidden(key, use.model, seconds)
        elif isinstance(error, UpstreamCredentialRefused):
            self._refused(use, now)

    def _refused(self, use: KeyUse, now: float) -> None:
        """Retire a key, or have its command run again; one line in the log, however many requests were under way."""
        key = use.key
        if key.command is not None:
            if key.command.refused(use.secret):
                self._tell_renewed(key)
        elif key.retired is None or use.sent > key.retired:
            key.retired = now
            self._tell_retired(key)

    def _employed(self, now: float) -> Sequence[PooledKey]:
        """Return the keys that are not retired; where all are, those that have been so for long enough."""
        employed = [key for key in self.keys if key.retired is None]
        if employed:
            return employed
        return [key for key in self.keys if key.retired is not None and now - key.retired >= RETIRED_SECONDS]

    def _obstacle(
        self, key: PooledKey, now: float, model: str, tokens: int, *, retired: bool
    ) -> tuple[float, Obstacle]:
        found = key.obstacle(now, model, tokens)
        if retired:
            all_retired = all(each.retired is not None for each in self.keys)
            since = now if key.retired is None else key.retired
            wait = since + RETIRED_SECONDS - now if all_retired else float("inf")
            return max(wait, found[0] if found else 0.0), "retired"
        command = 0.0 if key.command is None else key.command.ready_in()
        if found is not None:
            return max(command, found[0]), found[1]
        return command, "command"

    def _label(self, key: PooledKey) -> str:
        """Return how the log calls a key."""
        return self.backend.name if key.name == ONLY else key.name

    def _tell_waiting(self, key: PooledKey, model: str, seconds: float) -> None:
        self._log.info(
            "key {key} is rate-limited by backend {backend}: not used for {model} for {seconds} s",
            event="key_cooling",
            key=self._label(key),
            backend=self.backend.name,
            model=model,
            seconds=round(seconds, 3),
        )

    def _tell_forbidden(self, key: PooledKey, model: str, seconds: float) -> None:
        self._log.warn(
            "backend {backend} does not permit {model} with key {key}: not used for that model for {seconds:g} s",
            event="key_forbidden",
            backend=self.backend.name,
            model=model,
            key=self._label(key),
            seconds=seconds,
        )

    def _tell_no_credit(self, key: PooledKey) -> None:
        self._log.warn(
            "key {key} has no credit left at backend {backend}: not used for {seconds:g} s; top up its account, or "
            "remove its line from [backend:{backend}] api_key",
            event="key_without_credit",
            key=self._label(key),
            backend=self.backend.name,
            seconds=BILLING_SECONDS,
        )

    def _tell_retired(self, key: PooledKey) -> None:
        self._log.warn(
            "backend {backend} refused key {key}, line {number} of its api_key: {consequence}. Put a valid key there "
            "and reload",
            event="key_retired",
            backend=self.backend.name,
            key=self._label(key),
            number=key.number,
            consequence="it is not used any more"
            if any(each.retired is None for each in self.keys)
            else f"it is the only one, so it is tried again in {RETIRED_SECONDS:g} s",
        )

    def _tell_renewed(self, key: PooledKey) -> None:
        self._log.warn(
            "backend {backend} refused key {key}, which the command in line {number} of its api_key printed: the "
            "command is run again, at most once a minute",
            event="key_refused",
            backend=self.backend.name,
            key=self._label(key),
            number=key.number,
        )


def _first(ready: Sequence[PooledKey]) -> PooledKey:
    return ready[0]


def _in_turns(ready: Sequence[PooledKey]) -> PooledKey:
    """Smooth weighted round robin: weights 3, 1 give a a b a, never a a a b."""
    for key in ready:
        key.turn += key.weight
    chosen = max(ready, key=lambda key: key.turn)  # the first of equals
    chosen.turn -= sum(key.weight for key in ready)
    return chosen


def _least_used(ready: Sequence[PooledKey]) -> PooledKey:
    return min(ready, key=lambda key: (key.under_way / key.weight, key.tokens / key.weight))


WAITS: Final[dict[Obstacle, str]] = {
    "rate limit": "it limits the rate of requests",
    "credit": "no credit left",
    "own limit": "the rpm or tpm of api_key is reached",
}
"""The obstacles that pass by themselves -> what a client is told."""

CHOICES: Final[dict[KeyStrategy, Callable[[Sequence[PooledKey]], PooledKey]]] = {
    "fill_first": _first,
    "round_robin": _in_turns,
    "least_used": _least_used,
}
"""What each `key_strategy` chooses of the keys that are ready, in the order of the file."""


def make_pool(
    backend: Backend, seconds: Callable[[], float], command: Callable[[Backend, BackendKey], KeyCommand]
) -> KeyPool:
    """Return the pool of a backend that has keys; ``command`` makes what runs the command of one."""
    names: Iterable[str] = [f"{backend.name}/{number}" for number, _ in enumerate(backend.api_key, start=1)]
    keys = [
        PooledKey(
            name=name if len(backend.api_key) > 1 else ONLY,
            number=number,
            command=command(backend, key) if key.command else None,
            weight=key.weight,
            secret=key.secret,
            limits=MinuteLimits(
                requests=None if key.rpm is None else SlidingMinute(key.rpm),
                tokens=None if key.tpm is None else SlidingMinute(key.tpm),
            ),
        )
        for number, (name, key) in enumerate(zip(names, backend.api_key, strict=True), start=1)
    ]
    return KeyPool(backend=backend, seconds=seconds, keys=tuple(keys))
