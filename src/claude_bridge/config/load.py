"""Finds, reads and checks the configuration; the only entry point.

`parse` is pure but for the ``read`` that it is given; `load` adds the search for the file, and warnings of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve

from claude_bridge.config.directories import config_files
from claude_bridge.config.doubts import Mode, doubts, empty, exposed, file_mode, nothing_found, unused
from claude_bridge.config.hidden import from_variables, not_hidden
from claude_bridge.config.ini import read_ini
from claude_bridge.config.problems import ConfigErrors, Problem
from claude_bridge.config.proxy_environment import with_proxies
from claude_bridge.config.rules import Rules, complete
from claude_bridge.config.schema import Config
from claude_bridge.config.secret import Read, SecretSource
from claude_bridge.config.structure import structure
from claude_bridge.config.variables import LISTEN_OPTION, Overrides, describe_source, read_environment
from claude_bridge.config.variables import SECTION as ENVIRONMENT

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Bytes read of any file: far more than a configuration or a bundle of certificates holds, so that a path
such as ``/dev/zero`` ends in an error instead of in swap. One made of a LiteLLM file with 2,000 models has 1 MB."""


def read_file(path: str) -> bytes:
    """Return the content of a small file. Raise `OSError`, also if it is too large."""
    with Path(path).open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OSError(27, "file too large")
    return content


def load(
    path: str | None,
    environ: Mapping[str, str],
    read: Read = read_file,
    mode: Mode = file_mode,
    *,
    listen: str | None = None,
    bound: Mapping[str, bool] | None = None,
    resolve_secrets: bool = True,
) -> Config:
    """Return the configuration of the file at ``path``, or of the first file of the search order.

    ``$CLAUDE_BRIDGE_CONFIG`` must exist if it is set; then come ``claude-bridge.ini`` in
    ``$CONFIGURATION_DIRECTORY``, ``$XDG_CONFIG_HOME/claude-bridge`` and ``/etc/claude-bridge``. Without any, the
    environment alone is the configuration. ``listen``, the value of ``--listen``, wins over all of them. ``bound``: the
    endpoints that the daemon has bound already, and whether only this machine reaches them. ``resolve_secrets``: false
    where it is enough that there is a secret, as for a person whose service alone may read it. Raises `ConfigErrors`
    with every mistake.
    """
    found, content = _found(path or environ.get("CLAUDE_BRIDGE_CONFIG"), environ, read)
    text = "" if found is None else _text(found, content)
    config = parse(text, environ, read, path=found, listen=listen, bound=bound, resolve_secrets=resolve_secrets)
    sections = read_ini(text).sections
    warnings = [*config.warnings, *doubts(config, sections)]
    doubted = {(each.section, each.key) for each in warnings}  # placeholders need not be hidden
    warnings += [each for each in not_hidden(config, sections) if (each.section, each.key) not in doubted]
    if found is None:
        warnings += [] if environ.get("BACKEND_URL", "").strip() else [nothing_found(config_files(environ), config)]
    else:
        warnings += [*exposed(sections, found, mode), *unused(found, environ), *empty(found, sections, config)]
    return evolve(config, warnings=_in_file_order(warnings, list(sections)))


def _found(required: str | None, environ: Mapping[str, str], read: Read) -> tuple[str | None, bytes]:
    """Return path and content of the file that is used."""
    if required:
        return required, _read(required, read)
    for candidate in config_files(environ):
        try:
            return candidate, read(candidate)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unreadable(candidate, error) from error
    return None, b""


def parse(
    text: str,
    environ: Mapping[str, str],
    read: Read,
    *,
    path: str | None = None,
    listen: str | None = None,
    bound: Mapping[str, bool] | None = None,
    resolve_secrets: bool = True,
) -> Config:
    """Return the configuration that ``text`` and ``environ`` describe. Raises `ConfigErrors` with every mistake.

    ``path``: where ``text`` was read; None: there is no file. ``listen``, ``bound``, ``resolve_secrets``: as in `load`.
    """
    ini = read_ini(text)
    secrets = SecretSource(environ, read, resolved=resolve_secrets)
    draft = structure(ini.sections, secrets)
    overrides, wrong = read_environment(environ, secrets if path is None else None, listen)
    config, wrong_proxies = with_proxies(complete(overrides.apply(draft.config)), environ)
    rules = Rules(
        config,
        draft.broken,
        read,
        listen_at=_listen_at(overrides, listen),
        written=draft.config.backends,
        alone=path is None and not text,
        bound=bound or {},
    )
    problems = (*ini.problems, *draft.problems, *rules.problems(), *wrong, *wrong_proxies)
    if problems:
        raise ConfigErrors(_in_file_order(problems, list(ini.sections)))
    source = describe_source(path, environ, draft.config, listen=listen)
    return evolve(config, source=source, warnings=tuple(rules.warnings()), variables=from_variables(ini.sections))


def _listen_at(overrides: Overrides, listen: str | None) -> tuple[str, str]:
    """Return section and key to blame for a listener."""
    if listen is not None:
        return "", LISTEN_OPTION
    return ("server", "listen") if overrides.listen is None else (ENVIRONMENT, "HOST_PORT")


def _in_file_order(problems: Sequence[Problem], sections: list[str]) -> tuple[Problem, ...]:
    order = {"": -1} | {name: number for number, name in enumerate(sections)}
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: order.get(problem.section, len(order))))


def _read(path: str, read: Read) -> bytes:
    try:
        return read(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigErrors((Problem("", path, f"line {line} is not UTF-8"),)) from None


def _unreadable(path: str, error: OSError) -> ConfigErrors:
    return ConfigErrors((Problem("", path, f"cannot be read: {error.strerror or type(error).__name__}"),))
