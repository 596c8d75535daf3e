"""A backend's key that a command prints, and that is valid for a time: renewed before that ends.

::

            first need                     good output                    lifetime over, or refused
      none ------------> (first run) -----------------------> good ------------------------------> none
        ^                     |                               |  ^
        +--- failed, back-off +                               +--+ a run in the background at `RENEW_AT` of the
                                                                   lifetime: the token is used meanwhile

A token is renewed as long as requests use it; one that nobody used for a whole lifetime ends, and the next request
waits for the command. No token is kept anywhere but here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.secret import Secret, checked
from claude_bridge.services.callbacks import do_nothing, stop_timer
from claude_bridge.services.keys.child_process import CommandFailed

DEFAULT_LIFETIME: Final = 3600.0
"""Seconds: what OAuth services commonly give."""

RENEW_AT: Final = 0.8
"""The part of the lifetime after which the command is run again."""

FIRST_BACK_OFF: Final = 2.0
LAST_BACK_OFF: Final = 60.0
"""Seconds between a failed run and the next, doubled with each further failure up to the last."""

REFUSAL_SECONDS: Final = 60.0
"""Renewals because the backend refused a token are at least so far apart: it may refuse any token of the command's."""

Run = Callable[[Sequence[str]], Deferred[bytes]]
"""Runs a command and gives its standard output; fails with `CommandFailed`."""


@define(eq=False, kw_only=True)
class KeyCommand:
    """The token of one command.

    :ivar backend: the backend's name, for the log.
    """

    _log: ClassVar = Logger()

    backend: str
    _command: tuple[str, ...] = field(repr=False)
    _lifetime: float
    _run: Run
    _seconds: Callable[[], float]
    _clock: IReactorTime
    _learn: Callable[[str], None] = do_nothing
    _token: Secret | None = field(default=None, init=False, repr=False)
    _expires: float = field(default=0.0, init=False)
    _last_used: float = field(default=float("-inf"), init=False)
    _failures: int = field(default=0, init=False)  # in a row
    _next_run: float = field(default=float("-inf"), init=False)  # not before
    _next_renewal: float = field(default=float("-inf"), init=False)  # because of a refusal, not before
    _running: bool = field(default=False, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    @property
    def token(self) -> Secret | None:
        """The token, if there is one that is valid."""
        return self._token if self._seconds() < self._expires else None

    def use(self) -> Secret | None:
        """Return what was printed last, and keep it renewed: it is wanted. `token` says whether it is valid."""
        self._last_used = self._seconds()
        if self._token is not None:
            self._learn(self._token.reveal())  # the redactor remembers so many only
        return self._token

    def ready_in(self) -> float:
        """Return the seconds until there may be a token: 0 if there is one, or the command runs or may be run now."""
        if self._running or self.token is not None:
            return 0.0
        return max(0.0, self._next_run - self._seconds())

    def wait(self) -> Deferred[None] | None:
        """Run the command if that may be; return what fires when it has ended, well or badly. None: it must not be."""
        self._last_used = self._seconds()
        if not self._running and self._next_run > self._seconds():
            return None
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        if not self._running:
            self._begin()
        return waiting

    def prepare(self) -> None:
        """Run the command if there is no token and that may be."""
        if self.token is None and not self._running and self._next_run <= self._seconds():
            self._begin()

    def refused(self, token: Secret | None) -> bool:
        """Note that the backend refused a token, and run the command as soon as may be.

        Return False if it is not the current one: it has been replaced since.
        """
        if token is None or token != self.token:
            return False
        begin = max(self._seconds(), self._next_renewal)
        self._next_renewal = begin + REFUSAL_SECONDS
        self._token, self._next_run = None, max(self._next_run, begin)
        self.prepare()
        return True

    def _begin(self) -> None:
        stop_timer(self._timer)
        self._running = True
        began = self._seconds()
        token = maybeDeferred(self._run, self._command).addCallback(self._read)
        known = token.addCallbacks(self._succeeded, self._failed, callbackArgs=(began,))
        known.addErrback(self._broken).addBoth(self._ended)

    def _read(self, output: bytes) -> Secret:
        """Return the token that was printed. Raises `CommandFailed`."""
        try:
            lines = output.decode("ascii").strip("\r\n").splitlines()
            if len(lines) > 1:
                raise CommandFailed(f"it printed {len(lines):,} lines instead of one")
            return Secret(checked(lines[0] if lines else ""), source="\0".join(self._command))
        except UnicodeDecodeError:
            raise CommandFailed("it printed something that is not plain ASCII") from None
        except ValueError as error:
            raise CommandFailed(f"what it printed is no key: {error}") from None

    def _succeeded(self, token: Secret, began: float) -> None:
        self._learn(token.reveal())
        self._token, self._failures = token, 0
        self._expires = began + self._lifetime
        self._next_run = float("-inf")
        self._schedule(began + RENEW_AT * self._lifetime)

    def _failed(self, failure: Failure) -> None:
        failure.trap(CommandFailed)
        seconds = min(LAST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._next_run = self._seconds() + seconds
        self._log.warn(
            "the command for the key of backend {backend} failed: {reason}; it is run again in {seconds:g} s at the "
            "earliest, and {meanwhile}",
            event="key_command_failed",
            backend=self.backend,
            reason=str(failure.value),
            seconds=seconds,
            meanwhile="requests fail" if self.token is None else "the last key is used as long as it is valid",
        )
        self._schedule(self._next_run)

    def _broken(self, failure: Failure) -> None:
        self._log.failure("the command of backend {backend}", failure, event="fault", backend=self.backend)
        self._next_run = self._seconds() + LAST_BACK_OFF

    def _ended(self, _result: object) -> None:
        self._running = False
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def _schedule(self, when: float) -> None:
        self._timer = self._clock.callLater(max(0.0, when - self._seconds()), self._renew)

    def _renew(self) -> None:
        """Run the command again, unless nobody has used its key for a whole lifetime."""
        if not self._running and self._seconds() - self._last_used < self._lifetime:
            self._begin()
