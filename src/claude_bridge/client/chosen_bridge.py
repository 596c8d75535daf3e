"""The bridge that Claude Code is to be set up for: what is at its address, which key it needs, which models it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from attrs import evolve, field, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.environment import TOKEN, Setting, own_token
from claude_bridge.client.http_probe import BridgeSeen, listed_models, look, published_models
from claude_bridge.client.needed_backends import backend_key, backend_wanting_key
from claude_bridge.client.offer import has_meaning, is_of, named_model, of_bridge, of_configuration
from claude_bridge.client.offered_models import Limits, OfferedModel, main_name
from claude_bridge.client.person import Person
from claude_bridge.client.settings_draft import SetupError
from claude_bridge.client.setup import PLACEHOLDER
from claude_bridge.client.typed_key import typed_key
from claude_bridge.config.schema import Config
from claude_bridge.config.variables import SECTION, source_file
from claude_bridge.core.model_names import AUTO

UNCHANGED: Final = "nothing was changed"

_ANOTHER_PORT: Final = (
    ", so no bridge can listen there: give it another port with `listen` in [server], such as "
    "tcp:8081:interface=127.0.0.1"
)
_IN_FRONT: Final = (
    ". If it is a backend, `claude-bridge launch --url {0}` runs a bridge in front of it, and `claude-bridge init "
    "--url {0}` writes the configuration of one"
)


@frozen(kw_only=True)
class BridgeOrder:
    """What the command line says about the bridge.

    :ivar url: its address.
    :ivar model: the plain name of the main model; None: as the configuration has it.
    :ivar start: the command that starts it; "" if the address was given, so that it may be anywhere.
    """

    url: str
    model: str | None = None
    start: str = ""


@frozen
class NeededKey:
    """A key that Claude Code needs.

    :ivar why: which it is, as half a sentence for a person.
    :ivar whose: who wants it.
    :ivar attempt: raises `KeyNeeded` for one that is not accepted, if that can be found out now.
    :ivar given: it, if it is in the environment.
    :ivar missing: who wants which key, for an error where nobody can be asked; "" where ``why`` says so.
    """

    why: str
    whose: str
    attempt: Callable[[str], object]
    given: str | None = field(default=None, repr=False)
    missing: str = ""

    def ask(self, person: Person) -> str:
        """Return it, typed by somebody unless it is given. Raises `SetupError`."""
        if self.given is not None:
            return self.given
        if not person.is_there:
            raise SetupError(
                f"{self.missing or self.why}, and there is no terminal to ask at: set {TOKEN} to it; {UNCHANGED}"
            )
        try:
            typed = typed_key(person, f"{self.why}\n{TOKEN}", self.whose, self.attempt)
        except ExpectedFailure as error:
            raise SetupError(f"{error}; {UNCHANGED}") from None
        return "" if typed is None else typed[0]


def _one_of(config: Config, url: str) -> str:
    """Return that a bridge wants one of the keys that its configuration gives out."""
    names = [f"[key:{name}]" for name in config.keys]
    return f"the bridge at {url} asks for a key, {'one of ' * (len(names) > 1)}{', '.join(names)}"


def _key_for(url: str) -> NeededKey:
    """Return the key for a running bridge."""
    whose = f"the bridge at {url}"
    return NeededKey(f"{whose} asks for a key", whose, partial(published_models, url))


@frozen(kw_only=True)
class ChosenBridge:
    """A bridge, running or not.

    :ivar config: its configuration, or what is taken for it.
    :ivar settings: the variables for Claude Code.
    :ivar seen: what is at its address now.
    :ivar main: the main model, if that is decided.
    :ivar token: the client's, out of the environment or typed; None without one.
    :ivar backend_key: the one for a backend out of the environment, which may be passed on; None without one.
    :ivar notes: warnings of what could not be found out.
    """

    order: BridgeOrder
    config: Config
    settings: Sequence[Setting]
    seen: BridgeSeen
    main: OfferedModel | None = None
    token: str | None = field(default=None, repr=False)
    backend_key: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def needed_key(self) -> NeededKey | None:
        """Return which key Claude Code needs; None if any word will do."""
        config, token = self.config, next(each for each in self.settings if each.name == TOKEN)
        if self.seen.key_needed:
            key = _key_for(self.order.url)
            if self.order.start and config.server.credentials == "keys":
                return evolve(key, why=token.why, missing=_one_of(config, self.order.url))
            return key
        if not token.value.startswith(PLACEHOLDER):
            return None
        if config.server.credentials == "keys":
            missing = _one_of(config, self.order.url)
            return NeededKey(token.why, f"the bridge at {self.order.url}", lambda _: None, missing=missing)
        backend = backend_wanting_key(config, self.order.model or main_name(config) or AUTO)
        if backend is None:
            return None
        whose = f"the backend at {backend.url}"
        attempt = partial(listed_models, backend.url)
        return NeededKey(f"{whose} asks for a key, which the bridge passes on", whose, attempt, self.backend_key)


def chosen_bridge(
    order: BridgeOrder, config: Config, limits: Limits, environ: Mapping[str, str], person: Person | None
) -> ChosenBridge:
    """Return the bridge at an address, which is asked what it is; whoever is there is asked for a key that it needs.

    Raises `SetupError` for an address where no bridge can be, a key that is refused, and a model that is not there.

    :param config: of the bridge, or what is taken for it.
    :param limits: returns what is known of a model of the configuration.
    :param person: None: nobody is asked.
    """
    token, seen = own_token(environ), look(order.url, own_token(environ))
    if not order.start and seen.key_needed and token is None and person is not None and person.is_there:
        token = _key_for(order.url).ask(person) or None  # only it knows its models
        seen = look(order.url, token)
    if seen.is_other:
        advice = _ANOTHER_PORT if order.start else _IN_FRONT.format(order.url)
        raise SetupError(f"{seen.told}{advice}; {UNCHANGED}")
    if seen.key_needed and token is not None and not seen.key_taken:
        raise SetupError(f"the bridge at {order.url} does not accept the key in {TOKEN}; {UNCHANGED}")
    name, notes = _checked(order, config, seen)
    if seen.models and (not order.start or is_of(config, seen.models)):
        found = of_bridge(order.url, seen.models, config, name)
    else:
        found = of_configuration(config, order.url, limits, name)
    order = evolve(order, model=name)
    return ChosenBridge(
        order=order,
        config=config,
        settings=found.settings,
        seen=seen,
        main=found.models[0] if found.models else None,
        token=token,
        backend_key=_backend_key(environ),
        notes=notes,
    )


def _backend_key(environ: Mapping[str, str]) -> str | None:
    try:
        return backend_key(environ)
    except ExpectedFailure as error:
        raise SetupError(f"{error}; {UNCHANGED}") from None


def _checked(order: BridgeOrder, config: Config, seen: BridgeSeen) -> tuple[str | None, tuple[str, ...]]:
    """Return the model's name as it is spelled, and a warning if it cannot be looked up. Raises `SetupError`."""
    if order.model is None or order.model == AUTO:
        return order.model, ()
    names, whose = _names(order, config, seen)
    mine = config if order.start or not seen.models or is_of(config, seen.models) else None
    try:
        name = named_model(order.model, names, whose, mine)
    except ExpectedFailure as error:
        raise SetupError(f"{error}; {UNCHANGED}") from None
    if names or (mine is not None and has_meaning(mine, name)):
        return name, ()
    why = "it lists none" if seen.answers else "it does not answer"
    return name, (f"whether the bridge has a model {name} is not known, as {why}",)


def _names(order: BridgeOrder, config: Config, seen: BridgeSeen) -> tuple[list[str], str]:
    """Return the names of the bridge's models, none if they are not known, and who says so."""
    if seen.models:
        return [each.name for each in seen.models], f"the bridge at {order.url}"
    if order.start and source_file(config.source) != SECTION and not config.server.list_backend_models:
        return list(config.models), source_file(config.source)
    return [], ""
