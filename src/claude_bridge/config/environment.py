"""The five environment variables that win over the file, and nothing else.

They are those of the Rust program that this daemon replaces, so that its set-up goes on working. A variable that is
set to nothing counts as not set: compose files like to pass those on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args

from attrs import evolve, frozen

from claude_bridge.config.bounds import DAY
from claude_bridge.config.fields import base_url, boolean, choice, duration
from claude_bridge.config.listeners import endpoint, port_number, tcp
from claude_bridge.config.problems import Problem
from claude_bridge.config.schema import Backend, Config, LogLevel

SECTION = "environment"
DEFAULT_BACKEND = "default"

_T = TypeVar("_T")


@frozen(kw_only=True)
class Overrides:
    """What the variables say; None where one is not set or wrong."""

    backend_url: str | None = None
    listen: str | None = None
    timeout: float | None = None
    breaker: bool | None = None
    level: LogLevel | None = None

    def apply(self, config: Config) -> Config:
        """Give ``config`` as the variables change it.

        ``BACKEND_URL`` adds the backend ``default``; a ``[backend:default]`` of the file stays as it is. The timeout
        holds for every backend. Without any backend there is the default one.
        """
        backends = dict(config.backends)
        if self.backend_url is not None or not backends:
            backends.setdefault(DEFAULT_BACKEND, _changed(Backend(name=DEFAULT_BACKEND), url=self.backend_url))
        if self.timeout is not None:
            backends = {
                name: evolve(backend, first_byte_timeout=self.timeout, idle_timeout=self.timeout)
                for name, backend in backends.items()
            }
        return evolve(
            config,
            backends=backends,
            server=_changed(config.server, listen=None if self.listen is None else (self.listen,)),
            breaker=_changed(config.breaker, enabled=self.breaker),
            log=_changed(config.log, level=self.level),
        )


def read_environment(environ: Mapping[str, str]) -> tuple[Overrides, tuple[Problem, ...]]:
    """Read the variables; never fails, mistakes are in the second part."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for variable, (name, parse) in _VARIABLES.items():
        text = environ.get(variable, "").strip()
        try:
            values[name] = parse(text) if text else None
        except ValueError as error:
            problems.append(Problem(SECTION, variable, str(error)))
    return Overrides(**values), tuple(problems)


def describe_source(path: str | None, environ: Mapping[str, str], config: Config) -> str:
    """Say where a configuration came from, and which variables changed it; ``config`` is the file alone."""
    used = [name for name in _VARIABLES if environ.get(name, "").strip()]
    ignored = "BACKEND_URL" in used and DEFAULT_BACKEND in config.backends
    if ignored:
        used.remove("BACKEND_URL")
    source = path or SECTION
    if used:
        source += f" with {', '.join(used)}"
    return source + (" (BACKEND_URL is not used: the file has a [backend:default])" if ignored else "")


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


_VARIABLES: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "BACKEND_URL": ("backend_url", base_url),
    "HOST_PORT": ("listen", _host_port),
    "BACKEND_TIMEOUT_SECS": ("timeout", _timeout),
    "ENABLE_CIRCUIT_BREAKER": ("breaker", boolean),
    "LOG_LEVEL": ("level", _level),
}
