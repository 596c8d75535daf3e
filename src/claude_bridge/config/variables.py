"""The five environment variables that win over the file, and three more that count only where no file is read.

The five are those of the Rust program that this daemon replaces, so that its set-ups keep working. The three make a
container complete that has only its environment. No other variable has an effect. A variable that
is set to nothing counts as not set: compose files like to pass those on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar, cast, get_args

from attrs import evolve, frozen

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.expand import OFF, quoted
from claude_bridge.config.fields import base_url, boolean, choice, duration, host_name
from claude_bridge.config.listeners import PARAMETERS, WRAPPERS, endpoint, port_number, tcp
from claude_bridge.config.problems import Problem
from claude_bridge.config.schema import DAY, Backend, Config, LogLevel, Model, Route
from claude_bridge.config.secret import Secret, SecretSource
from claude_bridge.config.sections import KINDS

SECTION = "environment"
DEFAULT_BACKEND = "default"
DEFAULT_ROUTE = "default"
LISTEN_OPTION: Final = "--listen"

_T = TypeVar("_T")

_Variable: TypeAlias = tuple[str, Callable[[str], object]]
"""The attribute of `Overrides` that a variable sets, and how it is read; raises `ValueError`."""


@frozen(kw_only=True)
class Overrides:
    """The values of the variables, and of ``--listen``; None for one that is not set, or wrong.

    :ivar api_key, model, allowed_hosts: only where no file is read.
    """

    backend_url: str | None = None
    api_key: Secret | None = None
    model: str | None = None
    allowed_hosts: tuple[str, ...] | None = None
    listen: str | None = None
    timeout: float | None = None
    breaker: bool | None = None
    level: LogLevel | None = None

    def apply(self, config: Config) -> Config:
        """Return ``config`` as the variables change it.

        ``BACKEND_URL`` adds the backend ``default``; a ``[backend:default]`` of the file stays as it is. The timeout
        holds for every backend. Without any backend there is the default one. A ``MODEL`` is what every name not
        configured goes to; the backend's other models are listed all the same, as without it.
        """
        backends = dict(config.backends)
        if self.backend_url is not None or not backends:
            plain = Backend(name=DEFAULT_BACKEND)
            keys = None if self.api_key is None else (BackendKey(secret=self.api_key),)
            backends.setdefault(DEFAULT_BACKEND, _changed(plain, url=self.backend_url, api_key=keys))
        if self.timeout is not None:
            backends = {
                name: evolve(backend, first_byte_timeout=self.timeout, idle_timeout=self.timeout)
                for name, backend in backends.items()
            }
        return evolve(
            config,
            backends=backends,
            models=dict(config.models) | self._models(),
            routes=dict(config.routes) | self._routes(),
            server=_changed(
                config.server,
                listen=None if self.listen is None else (self.listen,),
                allowed_hosts=self.allowed_hosts,
                list_backend_models=None if self.model is None else True,
            ),
            breaker=_changed(config.breaker, enabled=self.breaker),
            log=_changed(config.log, level=self.level),
        )

    def _models(self) -> dict[str, Model]:
        return {} if self.model is None else {self.model: Model(alias=self.model, backend=DEFAULT_BACKEND)}

    def _routes(self) -> dict[str, Route]:
        return {} if self.model is None else {DEFAULT_ROUTE: Route(name=DEFAULT_ROUTE, models=(self.model,))}


def read_environment(
    environ: Mapping[str, str], secrets: SecretSource | None = None, listen: str | None = None
) -> tuple[Overrides, tuple[Problem, ...]]:
    """Read the variables; never fails, mistakes are in the second part.

    ``secrets``: finds keys; given where no file is read, so that the variables for that count. ``listen``: the value
    of ``--listen``, which wins over ``HOST_PORT``.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    variables = dict(_VARIABLES) if secrets is None else dict(_VARIABLES) | _alone(secrets)
    if listen is not None:
        del variables["HOST_PORT"]
    given = [(SECTION, name, environ.get(name, "").strip(), *how) for name, how in variables.items()]
    if listen is not None:
        given.append(("", LISTEN_OPTION, listen.strip(), "listen", listen_at))
    for section, key, text, name, parse in given:
        try:
            values[name] = parse(text) if text or not section else None
        except ValueError as error:
            problems += [Problem(section, key, message) for message in ([OFF] if quoted(text) else error.args)]
    return Overrides(**values), tuple(problems)


def describe_source(path: str | None, environ: Mapping[str, str], config: Config, *, listen: str | None = None) -> str:
    """Return where a configuration came from, and what changed it; ``config`` is the file alone."""
    used = set_variables(environ, _VARIABLES if path else (*_VARIABLES, *ALONE))
    if listen is not None:
        used = [name for name in used if name != "HOST_PORT"] + [LISTEN_OPTION]
    ignored = "BACKEND_URL" in used and DEFAULT_BACKEND in config.backends
    if ignored:
        used.remove("BACKEND_URL")
    source = path or SECTION
    if used:
        source += f" with {', '.join(used)}"
    return source + (" (BACKEND_URL is not used: the file has a [backend:default])" if ignored else "")


def source_file(source: str) -> str:
    """Return the file out of what `describe_source` returns; `SECTION` where there is none."""
    return source.partition(" with ")[0].partition(" (BACKEND_URL")[0]


def set_variables(environ: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are set and not empty."""
    return [name for name in names if environ.get(name, "").strip()]


def listen_at(text: str) -> str:
    """Read what ``--listen`` takes, ``PORT``, ``HOST:PORT`` or an endpoint string, and return the latter."""
    if text.partition(":")[0] in {*PARAMETERS, *WRAPPERS}:
        return endpoint(text)
    try:
        return _host_port(text)
    except ValueError as error:
        try:
            return endpoint(text)  # of a kind that a plugin of Twisted's brings
        except ValueError:
            raise ValueError(f"{error}, or a Twisted server endpoint string") from None


def _changed(part: _T, **changes: object) -> _T:
    given = {name: value for name, value in changes.items() if value is not None}
    return cast(_T, evolve(cast(Any, part), **given))


def _host_port(text: str) -> str:
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (colon and not host) or (":" in host and not bracketed) or not host.isprintable() or "\\" in host:
        raise ValueError("must be PORT or HOST:PORT, with an IPv6 address in brackets: [::1]:8080")
    return endpoint(tcp(port_number(port), (host[1:-1] if bracketed else host) or "127.0.0.1"))


def _timeout(text: str) -> float:
    seconds = duration(text)
    if not 0 < seconds <= DAY:
        raise ValueError(f"must be above 0 and up to {DAY:,} s")
    return seconds


def _level(text: str) -> str:
    level = {"warning": "warn"}.get(text.lower(), text.lower())
    return cast(str, choice(get_args(LogLevel))(level))


def _hosts(text: str) -> tuple[str, ...]:
    """Read names with commas or spaces between them."""
    return tuple(host_name(name) for name in text.replace(",", " ").split())


def _model(text: str) -> str:
    KINDS["model"].check_name(text)
    return text


def _alone(secrets: SecretSource) -> dict[str, _Variable]:
    return {
        "BACKEND_API_KEY": ("api_key", secrets.load),
        "MODEL": ("model", _model),
        "ALLOWED_HOSTS": ("allowed_hosts", _hosts),
    }


ALONE: Final[Mapping[str, str]] = {
    "BACKEND_API_KEY": "api_key in its [backend:NAME]",
    "MODEL": "models in [route:default]",
    "ALLOWED_HOSTS": "allowed_hosts in [server]",
}
"""The variables that count only where no file is read -> what says the same in a file."""

_VARIABLES: Mapping[str, _Variable] = {
    "BACKEND_URL": ("backend_url", base_url),
    "HOST_PORT": ("listen", _host_port),
    "BACKEND_TIMEOUT_SECS": ("timeout", _timeout),
    "ENABLE_CIRCUIT_BREAKER": ("breaker", boolean),
    "LOG_LEVEL": ("level", _level),
}
