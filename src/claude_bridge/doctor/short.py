"""The short form: one line for each backend, at the start of the daemon and in ``check-config --online``.

It spends no token and takes two seconds. At the start it fails for nothing, as a backend that is down may be up when
it is needed; the command's exit status is 1 if a backend cannot be used. Only the backend's own key is sent, never a
client's. The list of models is fetched through the lists that requests use, so that the first request finds it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from attrs import define, evolve, field, fields, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from claude_bridge.config.named_models import routed_models
from claude_bridge.config.schema import Backend, Config, Model
from claude_bridge.config.secret import Secret
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.model_list import ModelInfo, find
from claude_bridge.core.redaction import Redactor
from claude_bridge.doctor.asking import Asker
from claude_bridge.doctor.checks import models, reaching, server, window
from claude_bridge.doctor.checks.first_checks import REACHING
from claude_bridge.doctor.examination import Check, Examination, examine
from claude_bridge.doctor.finding import Level
from claude_bridge.doctor.origin import origin_of
from claude_bridge.services.interfaces import ModelLists, UpstreamClient
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.model_lists import WAIT_SECONDS
from claude_bridge.services.signposts import Signposts

_log = Logger()

_CONNECTION: Final = 1
"""The check that finds out whether something answers at all."""

_MODELS: Final = 4
"""The check of the models' names, of which all that are wrong are told."""


@frozen(kw_only=True)
class BackendState:
    """What one look at a backend showed.

    :ivar sentence: as ``up, vLLM, 1 model, 131,072 tokens``; else ``down``, ``up, but`` or ``cannot be used``, with
        what is wrong and what to change.
    :ivar level: the worst that was found.
    :ivar missing: the names of configured and routed models that its list does not have.
    """

    backend: str
    sentence: str
    level: Level = "ok"
    missing: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return self.level == "ok"

    @property
    def usable(self) -> bool:
        """Whether it can be used, with limits at least."""
        return self.level != "fault"

    def __str__(self) -> str:
        """Return the line for people."""
        return f"backend {self.backend}: {self.sentence}"


_USUAL_KIND: Final = fields(Backend).kind.default
"""The kind of nearly every server; whether a server has another's API its list of models does not tell."""

_API: Final = Check(number=2, name="path", run=reaching.another_api)
_CHECKS: Final = (
    Check(number=_MODELS, name="model", run=models.configured),
    Check(number=6, name="window", run=window.window),
)


@define(eq=False)
class Looks:
    """The looks at the backends that are under way when the daemon has started; each is logged when it is over."""

    _under_way: set[Deferred[None]] = field(factory=set, init=False)

    def begin(self, short: ShortForm, backends: Sequence[Backend]) -> None:
        """Look at backends; nobody waits for it."""
        for backend in backends:
            looking = Deferred.fromCoroutine(_logged(short, backend))
            self._under_way.add(looking)
            looking.addErrback(lambda failure: failure.trap(CancelledError))
            looking.addErrback(lambda failure: _log.failure("a look at a backend failed", failure, event="fault"))
            looking.addBoth(partial(self._over, looking))

    def stop(self) -> None:
        """Give up those that are not over."""
        for looking in tuple(self._under_way):
            looking.cancel()

    def _over(self, looking: Deferred[None], _result: object) -> None:
        self._under_way.discard(looking)


async def _logged(short: ShortForm, backend: Backend) -> None:
    state = await short.look(backend)
    write = _log.info if state.good else _log.warn
    write("backend {backend}: {state}", event="backend-state", backend=state.backend, state=state.sentence)


@define(eq=False, kw_only=True)
class ShortForm:
    """Looks at the backends of one configuration.

    :ivar lists: the lists that requests use.
    :ivar scrub: removes every known credential from a text.
    """

    config: Config
    client: UpstreamClient
    clock: IReactorTime
    lists: ModelLists
    detection: DialectDetection
    keys: KeyRing
    scrub: Redactor

    async def look(self, backend: Backend) -> BackendState:
        """Return what a backend is, or what is wrong with it."""
        waiting = self.keys.token(backend)
        if waiting is not None:
            await waiting
        credential = self.keys.for_list(backend, None)
        begun = self.clock.seconds()
        found = await self.lists.fetch(backend, credential)
        examination = self._examination(backend, credential)
        if found:
            return await self._up(examination, found)
        if self.clock.seconds() - begun >= WAIT_SECONDS:
            told = f"down: GET {examination.list_url} is not answered within {WAIT_SECONDS:g} s"
            return BackendState(backend=backend.name, sentence=told, level="fault")
        return await self._without_list(examination)

    async def _up(self, examination: Examination, found: Sequence[ModelInfo]) -> BackendState:
        backend = examination.backend
        examination.listed = found
        await examine(examination, _CHECKS if backend.kind == _USUAL_KIND else (_API, *_CHECKS))
        if examination.model is not None and examination.window is not None:
            window.judge(examination)
        wrong = _worst(examination)
        if wrong is not None:
            return evolve(wrong, missing=tuple(examination.missing))
        dialect = self.detection.dialect_of(backend)
        parts = ["up"]
        if dialect.known:
            parts.append(server.title(dialect.dialect.name))
        parts.append(f"{len(found):,} model{'s' if len(found) > 1 else ''}")
        tokens = _window(examination, found)
        if tokens:
            parts.append(f"{tokens:,} tokens")
        return BackendState(backend=backend.name, sentence=", ".join(parts))

    async def _without_list(self, examination: Examination) -> BackendState:
        """Return what is wrong, by the first three checks; a server without a list is up, and so is a careful one."""
        await examine(examination, REACHING)
        name, wrong = examination.backend.name, _worst(examination)
        if wrong is not None and not (examination.over and wrong.usable):
            return wrong
        if examination.over:
            return BackendState(backend=name, sentence="up, asks for a key, which clients bring")
        return BackendState(backend=name, sentence="up, has no list of models")

    def _examination(self, backend: Backend, credential: Secret | None) -> Examination:
        own = tuple(model for model in self.config.models.values() if model.backend == backend.name)
        return Examination(
            backend=backend,
            credential=credential,
            kind=KINDS[backend.kind],
            asker=Asker(client=self.client, clock=self.clock, patience=WAIT_SECONDS),
            lists=self.lists,
            detection=self.detection,
            signposts=Signposts(self.client, self.clock, KINDS),
            scrub=self.scrub,
            origin=origin_of(self.config, backend),
            brought=not backend.has_key and self.config.server.credentials == "forward",
            models=own,
            routed=routed_models(self.config, backend.name),
        )


def _worst(examination: Examination) -> BackendState | None:
    """Return the state that follows from the first of the worst findings, or all of models; None if all is well."""
    worst: Sequence[Level] = ("fault", "warning")
    for level in worst:
        found = [each for each in examination.findings if each.level == level]
        if found:
            number = found[0].number
            said = "up, but" if level == "warning" else "down:" if number == _CONNECTION else "cannot be used:"
            told = "; ".join(each.sentence for each in found if each.number == number == _MODELS or each is found[0])
            return BackendState(backend=examination.backend.name, sentence=f"{said} {told}", level=level)
    return None


def _window(examination: Examination, found: Sequence[ModelInfo]) -> int | None:
    """Return the window to show: of the model that is configured first, else of the only one."""
    model: Model | None = examination.model
    if examination.window is not None:
        return examination.window
    listed = None if model is None else find(found, model.name)
    return None if listed is None else listed.context_window
