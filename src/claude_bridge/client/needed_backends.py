"""The backends that a model's name may lead to: whether one is down, and whether one wants a key of the client's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from attrs import define, field, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import http_probe
from claude_bridge.config.backend_urls import is_here
from claude_bridge.config.load import read_file
from claude_bridge.config.named_models import NamedModels, conversation_models, which_model
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import SecretSource

SECONDS: Final = 1.0
"""For a connection: about as long as a bridge takes to start."""

BACKEND_KEY: Final = "BACKEND_API_KEY"
"""The variable that may have the key for a backend."""

_PORTS: Final = {"http": 80, "https": 443}


def needed_backends(config: Config, name: str) -> tuple[Backend, ...]:
    """Return every backend that may answer a request with a plain name; none if only their lists can tell."""
    which, named = which_model(config), NamedModels(config)
    meant = which.meant(name)
    found: list[str] = []
    last = False
    if meant is None or meant.alias:
        for rule in which.routes.may_take(name, is_alias=meant is not None):
            models = filter(None, (which.meant(each) for each in config.routes[rule.name].models))
            found += [named.model(each).backend for each in models]
            last = not rule.when
    if meant is not None and not last:
        found.append(named.model(meant).backend)
    if meant is None and not last and named.home is not None:
        found.append(named.home.name)
    return tuple(config.backends[each] for each in dict.fromkeys(found))


def backend_wanting_key(config: Config, name: str) -> Backend | None:
    """Return a backend to which the client's own key is passed on, and which answers nobody without one; else None.

    :param name: the plain name of the main model.
    """
    if config.server.credentials != "forward":
        return None
    models = conversation_models(config, name, lambda model: model.context_window)
    backends: list[Backend | None] = [config.backends[model.backend] for model in models]
    for backend in backends or [NamedModels(config).home]:
        if backend is not None and not backend.has_key and http_probe.wants_key(backend.url, backend.kind):
            return backend
    return None


def backend_key(environ: Mapping[str, str]) -> str | None:
    """Return the key for a backend out of an environment, None if it has none. Raises `ExpectedFailure`."""
    text = environ.get(BACKEND_KEY, "").strip()
    if not text:
        return None
    try:
        return SecretSource(environ, read_file).load(text).reveal()
    except ValueError as error:
        raise ExpectedFailure(f"{BACKEND_KEY}: {error}") from None


@frozen
class Down:
    """A backend to which there is no connection.

    :ivar reason: what the system says.
    """

    backend: Backend
    reason: str

    def __str__(self) -> str:
        """Return the line for people."""
        name, (host, port) = self.backend.name, _address(self.backend.url)
        cure = "start the server, or correct" if is_here(self.backend.url) else "check that it is up, or correct"
        return f"backend {name}: down: {self.reason} at {host}:{port}: {cure} `url` in [backend:{name}]"


@define(eq=False)
class Connecting:
    """Connections to backends, tried all at the same time in threads that nobody has to wait for.

    What is not decided within `SECONDS` counts as being there; so does what is behind a proxy.
    """

    _threads: Sequence[threading.Thread] = field(init=False)
    _down: dict[str, Down] = field(factory=dict, init=False)
    _backends: Sequence[Backend]

    def __attrs_post_init__(self) -> None:
        """Begin."""
        direct = [backend for backend in self._backends if backend.proxy.server is None]
        self._threads = [threading.Thread(target=self._try, args=(backend,), daemon=True) for backend in direct]
        for thread in self._threads:
            thread.start()

    def down(self, within: float = SECONDS) -> tuple[Down, ...]:
        """Return the backends that are down, in their order; waits until that is known, or these seconds for each."""
        for thread in self._threads:
            thread.join(within)
        return tuple(self._found())

    def _found(self) -> Iterator[Down]:
        known = dict(self._down)  # a thread may go on
        yield from (known[backend.name] for backend in self._backends if backend.name in known)

    def _try(self, backend: Backend) -> None:
        try:
            socket.create_connection(_address(backend.url), SECONDS).close()
        except TimeoutError:
            pass
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._down[backend.name] = Down(backend, reason)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]
