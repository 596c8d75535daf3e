"""Rules between sections: names that must exist, and who may use whose key.

They check a `Draft`, so a key that could not be read does not lead to a second message because of its default.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from attrs import Factory, evolve, frozen

from claude_bridge.config import foreign_words, key_scope, listeners
from claude_bridge.config.backend_urls import is_here
from claude_bridge.config.budget_values import EVERY_SHOWN, meant_route, route_of, wrong_end
from claude_bridge.config.budgets import fallback_routes
from claude_bridge.config.dialects import AUTO
from claude_bridge.config.listeners import listener
from claude_bridge.config.model_prices import ConfiguredPrices, Priced, by_precedence, known_names, meaning
from claude_bridge.config.named_models import NamedModels, which_model
from claude_bridge.config.problems import Problem, not_allowed, suggestion
from claude_bridge.config.schema import Backend, Budget, ClientKey, Config, Model, Route
from claude_bridge.config.secret import Read
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.model_names import as_spelled, pin
from claude_bridge.core.routing import DEFAULT, WORDS
from claude_bridge.core.web_search.engines import ENGINES
from claude_bridge.core.which_model import WhichModel

KEY_HEADERS = frozenset({"api-key", "x-api-key", "x-goog-api-key"})
"""Headers that carry a key of the owner, like `Backend.api_key`."""


@frozen
class Rules:
    """Checks one configuration.

    :ivar broken: the (section, key) that could not be read.
    :ivar listen_at: section and key where the listeners come from.
    :ivar written: the backends that have a section; None: as many as there are.
    :ivar alone: there is no file, so a person has variables to change and nothing else.
    :ivar bound: the endpoints that a daemon has bound already, and keeps, with whether only this machine reaches them;
        empty before the start.
    """

    config: Config
    broken: Collection[tuple[str, str]]
    read: Read
    listen_at: tuple[str, str] = ("server", "listen")
    written: Collection[str] | None = None
    alone: bool = False
    bound: Mapping[str, bool] = Factory(dict)

    def problems(self) -> Iterator[Problem]:
        """Yield everything that breaks a rule."""
        yield from self._listeners()
        yield from self._dialects()
        yield from self._pools()
        yield from self._authorities()
        yield from self._queues()
        yield from self._models()
        yield from self._route()
        yield from self._prices()
        yield from self._budgets()
        yield from self._keys()
        yield from self._web_search()

    def _listeners(self) -> Iterator[Problem]:
        server = self.config.server
        if not server.listen:
            yield Problem("server", "listen", "needs at least one endpoint")
        for text in self._guarded():
            if self._is_local(text) is False:
                yield Problem(*self.listen_at, f"{text} can be reached from other machines, {self._remedy()}")

    def _dialects(self) -> Iterator[Problem]:
        """Yield the dialects of another kind of backend."""
        for backend in self.config.backends.values():
            known = (AUTO, *KINDS[backend.kind].dialects)
            if backend.dialect not in known and not self._is_broken(f"backend:{backend.name}", "kind"):
                message = f"is not a dialect of kind = {backend.kind}: {not_allowed(backend.dialect, known)}"
                yield Problem(f"backend:{backend.name}", "dialect", message)

    def warnings(self) -> Iterator[Problem]:
        """Yield warnings about what cannot be checked yet."""
        for text in self._guarded():
            if self._is_local(text) is None:
                yield Problem(
                    *self.listen_at,
                    f"{text} is passed by systemd at start-up and cannot be checked before; it is refused then if "
                    "other machines can reach it",
                )
        if self.config.server.credentials == "forward":
            yield from self._shared_credentials()
        yield from self._doubtful_prices()
        yield from self._doubtful_budgets()

    def _shared_credentials(self) -> Iterator[Problem]:
        """Yield the routes that would send a client's own key to the services of several vendors."""
        which, named = which_model(self.config), NamedModels(self.config)
        for route in self.config.routes.values():
            meant = [each for name in route.models if (each := which.meant(name)) is not None]
            backends = dict.fromkeys(self.config.backends[named.model(each).backend] for each in meant)
            strangers = [each for each in backends if not each.has_key and not is_here(each.url)]
            if len({_host(each) for each in strangers}) > 1:
                names = ", ".join(each.name for each in strangers)
                yield Problem(
                    f"route:{route.name}",
                    "models",
                    f"the client's key would be sent to each of the backends {names}, which have no api_key: it can be "
                    "valid for one of them only, so set api_key for the others",
                )

    def _guarded(self) -> tuple[str, ...]:
        """Return the endpoints that only this machine may reach."""
        server = self.config.server
        if self._is_broken("server", "credentials", "allow_open") or server.allow_open or not self._spends():
            return ()
        return tuple(dict.fromkeys((*server.listen, *self.bound)))

    def _is_local(self, text: str) -> bool | None:
        """Return whether only this machine can reach an endpoint, or None if that is not known yet."""
        if text in self.bound:
            return self.bound[text]
        if self.bound and listener(text).kind == "systemd":  # by now its descriptor has another use
            return None
        return is_local(text)

    def _spends(self) -> bool:
        """Return whether whoever connects can use a backend without a credential of their own."""
        if self.config.server.credentials == "forward":
            return any(self._has_key(backend) for backend in self.config.backends.values())
        return self.config.server.credentials == "none"

    def _has_key(self, backend: Backend) -> bool:
        given = backend.has_key or self._is_broken(f"backend:{backend.name}", "api_key")
        return given or any(name.lower() in KEY_HEADERS for name, _ in backend.headers)

    def _remedy(self) -> str:
        if self.alone:
            return (
                "whose users would spend BACKEND_API_KEY: listen on 127.0.0.1 only, or set no BACKEND_API_KEY, so that "
                "each client sends the backend's key itself, or write a file that sets credentials = keys with a "
                "[key:NAME] for each client, or allow_open = yes if only you can get there, as with a container's "
                "port published on 127.0.0.1"
            )
        whose = "whose users would spend the backend's own key"
        if self.config.server.credentials == "none":
            whose = "and with credentials = none anybody could use the backends"
        return (
            f"{whose}: listen on 127.0.0.1 only, or set credentials = keys with a [key:NAME] for each client, "
            "or credentials = forward and no api_key, or allow_open = yes if that is meant"
        )

    def _pools(self) -> Iterator[Problem]:
        for backend in self.config.backends.values():
            section, keys = f"backend:{backend.name}", backend.api_key
            seen: dict[object, int] = {}
            for number, key in enumerate(keys, start=1):
                twin = seen.setdefault(key.sent, number)
                if twin != number:
                    yield Problem(section, "api_key", f"entry {number} is the same key as entry {twin}")
            if (
                backend.api_key_lifetime is not None
                and not any(key.command for key in keys)
                and not self._is_broken(section, "api_key")
            ):
                yield Problem(section, "api_key_lifetime", "has no effect without a command: in api_key")

    def _authorities(self) -> Iterator[Problem]:
        for backend in self.config.backends.values():
            if backend.ca_file is not None and (message := self._authority(backend.ca_file)):
                yield Problem(f"backend:{backend.name}", "ca_file", message)

    def _authority(self, path: str) -> str:
        try:
            pem = self.read(path)
        except OSError as error:
            return f"cannot read {path}: {error.strerror or type(error).__name__}"
        return "" if b"-----BEGIN CERTIFICATE-----" in pem else f"{path} holds no certificate in PEM form"

    def _queues(self) -> Iterator[Problem]:
        for backend in self.config.backends.values():
            section = f"backend:{backend.name}"
            useless = backend.max_streams is None and backend.max_queue is not None
            if useless and not self._is_broken(section, "max_streams"):
                yield Problem(section, "max_queue", "has no effect without max_streams: set that, or drop this")

    def _models(self) -> Iterator[Problem]:
        backends = self.config.backends
        for model in self.config.models.values():
            section = f"model:{model.alias}"
            if self._is_broken(section, "backend"):
                continue
            if not model.backend:
                needed = "required, because there is more than one backend"
                yield Problem(section, "backend", f"{needed}, {suggestion('', backends)}")
            elif model.backend not in backends:
                yield Problem(section, "backend", self._no_backend(model.backend))
            elif not self._is_broken(f"backend:{model.backend}", "kind"):
                yield from _overrides(model, section, backends[model.backend].kind)

    def _no_backend(self, name: str) -> str:
        if self.written is not None and not self.written:
            return f"there is no [backend:*] at all: write [backend:{name}] with its url"
        return f"no [backend:*] of that name, {suggestion(name, self.config.backends)}"

    def _route(self) -> Iterator[Problem]:
        instead = fallback_routes(self.config) | {
            meant_route(each.then, self.config.routes) for each in self.config.budgets.values()
        }
        for route in self.config.routes.values():
            section = f"route:{route.name}"
            if not self._is_broken(section, "models"):
                yield from (Problem(section, "models", message) for message in self._route_models(route))
            if route.name == DEFAULT and (route.match or route.when):
                key = "match" if route.match else "when"
                yield Problem(section, key, "the default route takes what no other takes: give this one another name")
            elif route.name not in {DEFAULT, *instead} and not (
                route.match or route.when or self._is_broken(section, "match") or self._is_broken(section, "when")
            ):
                word = foreign_words.meant(route.name, WORDS)
                example = f"`when = {word}`" if word else "`match` or `when`"
                yield Problem(section, "when", f"is missing, so nothing ever takes this route: add {example}")

    def _route_models(self, route: Route) -> Iterator[str]:
        """Yield what is wrong with the models of a route."""
        if not route.models:
            yield "is missing: name at least one model"
        models, backends = self.config.models, self.config.backends
        for number, name in enumerate(route.models, start=1):
            if name not in models and pin(name, backends) is None:
                entry = f"entry {number}: " if len(route.models) > 1 else ""
                neither = ", nor a [backend:*] in front" if "/" in name else ""
                yield f"{entry}no [model:*] of that name{neither}, {suggestion(name, models)}"
        if len(set(route.models)) != len(route.models):
            yield "names a model twice"

    def _prices(self) -> Iterator[Problem]:
        for price in self.config.prices.values():
            section = f"price:{price.name}"
            for key in ("input", "output"):
                if getattr(price, key) is None and not self._is_broken(section, key):
                    yield Problem(section, key, "is missing: dollars per million tokens, 0 for what costs nothing")
            limits = [each.above for each in price.above]
            if len(set(limits)) != len(limits):
                yield Problem(section, "above", "has two lines for the same number of tokens")

    def _doubtful_prices(self) -> Iterator[Problem]:
        """Yield the prices whose NAME nothing in the file has, and those of a model that has another."""
        names, seen = tuple(known_names(self.config)), dict[Priced, str]()
        for name in by_precedence(self.config):
            meant = meaning(self.config, name)
            twin = seen.setdefault(meant, name)
            if twin != name:
                yield Problem(f"price:{name}", "", f"has no effect: [price:{twin}] is for the same model")
            elif not meant.backend and names and as_spelled(name, names) is None:
                told = f"no [model:*] has this name, {suggestion(name, self.config.models or names)}"
                yield Problem(f"price:{name}", "", f"{told} It holds for a model that a backend itself calls so.")

    def _budgets(self) -> Iterator[Problem]:
        for budget in self.config.budgets.values():
            section = f"budget:{budget.name}"
            yield from (
                Problem(section, key, message)
                for key, message in self._budget(budget)
                if not self._is_broken(section, key)
            )

    def _budget(self, budget: Budget) -> Iterator[tuple[str, str]]:
        """Yield key and message of what is wrong with a budget."""
        section, kind, name = f"budget:{budget.name}", budget.for_.kind, budget.for_.name
        config = self.config
        if budget.amount is not None and budget.tokens is not None:
            yield "tokens", "is one limit too many: drop it or amount, and write a second [budget:*] if both are meant"
        elif budget.amount is None and budget.tokens is None and not self._is_broken(section, "amount", "tokens"):
            yield "amount", "is missing: how many dollars may be spent, or tokens = how many may be used"
        if kind == "key" and name not in config.keys:
            yield "for", f"no [key:*] of that name, {suggestion(name, config.keys)}"
        elif kind == "key" and config.server.credentials != "keys":
            yield "for", "key needs credentials = keys in [server]: else nobody says whose request it is"
        if kind == "model" and as_spelled(name, config.models) is None and pin(name, config.backends) is None:
            yield "for", f"no [model:*] of that name, nor backend/model: {suggestion(name, config.models)}"
        if not self._is_broken(section, "for"):
            yield from _budget_period(budget)
        route = route_of(budget.then)
        if wrong := wrong_end(budget.then, config.routes):
            yield "then", wrong
        if route and route not in config.routes:
            yield "then", f"no [route:*] of that name, {suggestion(route, config.routes)}"

    def _doubtful_budgets(self) -> Iterator[Problem]:
        """Yield the budgets that never count anything, and what has no effect."""
        config = self.config
        unpriced = not config.prices and all(is_here(each.url) for each in config.backends.values())
        for budget in config.budgets.values():
            section = f"budget:{budget.name}"
            if budget.amount is not None and unpriced:
                told = "counts nothing, as no price is known: all backends are on this machine, without any [price:*]"
                yield Problem(section, "amount", f"{told}; write one, or limit the tokens")
            elif budget.amount is not None and budget.for_.kind == "model":
                yield from self._unpriced_model(budget, section)
            if budget.for_.kind in {"session", "agent"} and budget.timezone != "UTC":
                yield Problem(section, "timezone", f"has no effect: the budget of each {budget.for_} never restarts")

    def _unpriced_model(self, budget: Budget, section: str) -> Iterator[Problem]:
        """Yield a budget in dollars for a model of this machine, whose price nobody but the file can know."""
        meant = meaning(self.config, budget.for_.name)
        backend = self.config.backends.get(meant.backend)
        if backend is None or not is_here(backend.url):
            return
        if ConfiguredPrices(self.config).find(backend.name, meant.model) is None:
            told = f"counts nothing, as no price is known for {budget.for_.name}, whose backend is on this machine"
            cure = f"write [price:{backend.name}/{meant.model}] with input and output, or limit the tokens"
            yield Problem(section, "amount", f"{told}: {cure}")

    def _keys(self) -> Iterator[Problem]:
        if self.config.server.credentials == "keys" and not self.config.keys:
            told = "keys needs a [key:NAME] for each client: `claude-bridge key new NAME` makes one"
            yield Problem("server", "credentials", told)
        if (
            self.config.server.credentials != "keys"
            and self.config.keys
            and not self._is_broken("server", "credentials")
        ):
            yield Problem(
                "server", "credentials", "must be keys for a [key:*] to have an effect: set it, or remove them"
            )
        seen, which = dict[str, str](), which_model(self.config)
        for key in self.config.keys.values():
            section = f"key:{key.name}"
            if not self._is_broken(section, "secret", "hash"):
                yield from _identity(key, section, seen)
            yield from self._key_models(key, section, which)
            yield from self._key_routes(key, section)

    def _key_models(self, key: ClientKey, section: str, which: WhichModel) -> Iterator[Problem]:
        """Yield what is wrong with the models that a key may use."""
        if key.models == ():
            yield Problem(section, "models", "names no model: leave it out if the client may use any")
        for number, name in enumerate(key.models or (), start=1):
            if not key_scope.fits_something(self.config, which, name):
                entry = f"entry {number}: " if len(key.models or ()) > 1 else ""
                neither = ", nor a [backend:*] in front" if "/" in name else ""
                told = f"{entry}no [model:*] of that name{neither}, {suggestion(name, self.config.models)}"
                yield Problem(section, "models", told)

    def _key_routes(self, key: ClientKey, section: str) -> Iterator[Problem]:
        """Yield what is wrong with the routes that a key's requests may take."""
        if key.routes == ():
            yield Problem(section, "routes", "names no route: leave it out if the client's requests may take any")
        for number, name in enumerate(key.routes or (), start=1):
            if name not in self.config.routes:
                entry = f"entry {number}: " if len(key.routes or ()) > 1 else ""
                told = f"{entry}no [route:*] of that name, {suggestion(name, self.config.routes)}"
                yield Problem(section, "routes", told)

    def _web_search(self) -> Iterator[Problem]:
        section, search = "web_search", self.config.web_search
        if self._is_broken(section, "engine"):
            return
        if search.engine == "none":
            if search.url is not None or search.api_key is not None:
                yield Problem(section, "engine", "is missing: url and api_key have no effect without it")
            return
        if not ENGINES[search.engine].hosted:
            if search.url is None and not self._is_broken(section, "url"):
                yield Problem(section, "url", f"is missing: {search.engine} needs the address of your server")
            return
        if search.api_key is None and not self._is_broken(section, "api_key"):
            yield Problem(
                section, "api_key", f"is missing: {search.engine} needs ${{VAR}}, file:/path or credential:NAME"
            )
        if search.url is not None and not search.url.startswith("https://"):
            yield Problem(section, "url", f"must begin with https://, as the key for {search.engine} travels there")

    def _is_broken(self, section: str, *keys: str) -> bool:
        return any((section, key) in self.broken for key in keys)


def _budget_period(budget: Budget) -> Iterator[tuple[str, str]]:
    kind = budget.for_.kind
    if kind in {"session", "agent"}:
        if budget.per not in {None, "session"}:
            yield "per", f"must be session, or left out: each {kind} has one budget, which never starts again"
    elif budget.per is None:
        yield "per", f"is missing: {EVERY_SHOWN}"
    elif budget.per == "session":
        yield "per", f"must be {EVERY_SHOWN} for {kind}; for = session gives each session a budget"


def _overrides(model: Model, section: str, kind: str) -> Iterator[Problem]:
    """Yield the options of a model whose value its kind of backend does not know, although another kind does."""
    for name, value in model.overrides.items():
        words = KINDS[kind].trait_words(name)
        if words and any(word not in words for word in (value if isinstance(value, tuple) else (value,))):
            yield Problem(section, name, f"must be one of these by kind = {kind}: {', '.join(words)}")


def _identity(key: ClientKey, section: str, seen: dict[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with secret and hash of a key; ``seen`` are the names of the earlier ones by their hashes."""
    if key.secret is None and key.hash is None:
        told = "is missing: ${VAR}, file:/path or credential:NAME, or a hash, which `claude-bridge key new` writes"
        yield Problem(section, "secret", told)
    elif key.secret is not None and key.hash is not None:
        yield Problem(section, "hash", "is one too many beside secret: keep one of them")
    else:
        twin = seen.setdefault(key.sent_hash, key.name)
        if twin != key.name:
            word = "secret" if key.hash is None else "hash"
            yield Problem(section, word, f"is the same key as [key:{twin}]")


def _host(backend: Backend) -> str:
    return urlsplit(backend.url).hostname or ""


def is_local(text: str) -> bool | None:
    """Return whether only this machine can reach an endpoint, or None if systemd has not passed its socket."""
    where = listener(text)
    return listeners.is_local(where) if where.kind == "systemd" else where.local


def complete(config: Config) -> Config:
    """Fill in what follows from the rest: a model's name at the backend, and the only backend there is."""
    only = next(iter(config.backends)) if len(config.backends) == 1 else ""
    return evolve(config, models={alias: _complete_model(model, only) for alias, model in config.models.items()})


def _complete_model(model: Model, only_backend: str) -> Model:
    return evolve(
        model,
        name=model.name or model.alias,
        backend=model.backend or only_backend,
    )
