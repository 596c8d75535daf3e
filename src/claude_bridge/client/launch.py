"""``claude-bridge launch``: starts Claude Code at a bridge, and a bridge too where none runs.

Nothing on the machine is changed for it: the client gets one settings file, which beats its other ones and is removed
when it ends. A bridge that was started for it lives as long as it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

from attrs import frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import http_probe, offer, own_bridge, settings_file, status_setting
from claude_bridge.client.environment import AUTO_MODE, PERMISSION_MODE, RIVAL, TOKEN, UNUSED, own_token
from claude_bridge.client.foreground import BY_SIGNAL, EndedBySignal, Foreground
from claude_bridge.client.http_probe import KeyNeeded, ListedBackend
from claude_bridge.client.needed_backends import (
    BACKEND_KEY,
    Connecting,
    Down,
    backend_key,
    backend_wanting_key,
    needed_backends,
)
from claude_bridge.client.offer import Offer
from claude_bridge.client.offered_models import OfferedModel, main_name
from claude_bridge.client.person import Person
from claude_bridge.client.single_backend import SingleBackend
from claude_bridge.client.target import BackendAlone, LaunchOrder, OwnConfiguration, RunningBridge, find_target
from claude_bridge.client.typed_key import typed_key
from claude_bridge.client.window_warning import window_warning
from claude_bridge.config.backend_urls import is_here
from claude_bridge.config.listeners import is_loopback
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import HIDDEN
from claude_bridge.config.variables import SECTION, source_file
from claude_bridge.core.model_names import AUTO, plain_name
from claude_bridge.core.nearest_names import name_list

PROGRAM: Final = "claude"

EXIT_NO_PROGRAM: Final = 127
"""The status of a shell for a command that is not there."""

NO_PROGRAM: Final = """\
there is no `claude` on PATH. Install Claude Code with

    npm install -g @anthropic-ai/claude-code

and run this command again."""

AUTO_REPLACED: Final = (
    "your settings choose auto mode, which asks Anthropic's server to approve each action; no bridge can, so "
    f"Claude Code starts in the mode {PERMISSION_MODE}"
)

UNKNOWN_URL: Final = "http://127.0.0.1:PORT"
"""Stands for the address of a bridge that is not started."""

MAX_LISTED: Final = 20
"""Names in a message at most."""

_MOMENT: Final = 0.1
"""Seconds to wait where a bridge runs already: a backend on this machine refuses at once."""

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_EXEMPT: Final = ("NO_PROXY", "no_proxy")
_LOCAL: Final = "127.0.0.1,localhost,::1"


def run(order: LaunchOrder, environ: Mapping[str, str], out: TextIO, err: TextIO, person: Person | None = None) -> int:
    """Start Claude Code and return its exit status when it has ended; 1 for a failure of ours, which is explained.

    Raises `ConfigErrors`.
    """
    program = shutil.which(PROGRAM, path=environ.get("PATH", os.defpath))
    if program is None and not order.only_print:
        err.write(f"claude-bridge launch: {NO_PROGRAM}\n")
        return EXIT_NO_PROGRAM
    try:
        with Foreground() as foreground:
            launch = _Launch(order, environ, err, person or Person(), foreground)
            if order.only_print:
                out.write(launch.described())
                return 0
            return launch.run(program or PROGRAM)
    except ExpectedFailure as error:
        err.write(f"claude-bridge launch: {error}\n")
        return 1
    except EndedBySignal as error:
        return BY_SIGNAL + error.number


@frozen
class _Launch:
    """One start of the client."""

    _order: LaunchOrder
    _environ: Mapping[str, str]
    _err: TextIO
    _person: Person
    _foreground: Foreground

    def run(self, program: str) -> int:
        """Run the client, and what it needs, to its end."""
        with ExitStack() as stack:
            folder = stack.enter_context(settings_file.private_folder(self._environ))
            arguments, theirs = settings_file.without_settings(self._order.arguments)
            target = find_target(self._order, self._environ)
            match target:
                case RunningBridge(_, config):
                    needed = () if config is None else self._needed(config)
                    looking = Connecting([backend for backend in needed if is_here(backend.url)])
                    found = self._of_bridge(target)
                    self._refuse_if_down(needed, looking.down(_MOMENT), self._order.file)
                case OwnConfiguration(config, file):
                    url = stack.enter_context(self._started(file, self._environ, folder, self._needed(config)))
                    found = self._of_bridge(RunningBridge(url, config), f"the bridge of {source_file(config.source)}")
                case BackendAlone():
                    config = Config(source=SECTION)  # there is none in which anything could be set
                    found = stack.enter_context(self._in_front_of(target, folder))
            settings = self._settings(found, theirs)
            warning = window_warning(found.models[0], config, [settings["env"], self._environ])
            if warning:
                self._err.write(f"claude-bridge launch: {warning}\n")
            content = json.dumps(settings)
            path = settings_file.write_private(folder / "settings.json", content)
            environ = cleared(self._environ, found.variables["ANTHROPIC_BASE_URL"])
            return self._foreground.run([program, settings_file.OPTION, str(path), *arguments], environ)

    def described(self) -> str:
        """Return the command and the settings, secrets hidden; nothing is started."""
        arguments, theirs = settings_file.without_settings(self._order.arguments)
        target, lines = find_target(self._order, self._environ), []
        match target:
            case RunningBridge():
                found = self._of_bridge(target)
            case OwnConfiguration(config, file):
                lines = ["# no bridge answers; this one would be started first, and end with Claude Code:"]
                lines.append(shlex.join(own_bridge.command(file)))
                found = offer.of_configuration(config, UNKNOWN_URL, main=self._configured_choice(config))
            case BackendAlone():
                backend = self._backend(target)
                lines = [f"# a bridge in front of {backend.url} would be started first, and end with Claude Code"]
                models = [OfferedModel(name=name, label=name) for name in backend.models or (backend.main,)]
                found = offer.of_bridge(UNKNOWN_URL, models, main=backend.main).with_token(HIDDEN)
        command = shlex.join([PROGRAM, settings_file.OPTION, "FILE", *arguments])
        settings = settings_file.shown(self._settings(found, theirs))
        return "\n".join([*lines, command, "# FILE, which is removed when Claude Code ends:", settings]) + "\n"

    def _settings(self, found: Offer, theirs: Mapping[str, Any]) -> dict[str, Any]:
        own = settings_file.own_settings(self._environ, Path.cwd())
        if settings_file.permission_mode([*own, theirs]) == AUTO_MODE:
            self._err.write(f"claude-bridge launch: {AUTO_REPLACED}\n")
        status_line = status_setting.setting(sys.argv[0]) if self._order.status_line else None
        if status_line is not None and status_setting.has_own([*own, theirs]):
            self._err.write(f"claude-bridge launch: {status_setting.KEPT} (--no-statusline: without this line)\n")
            status_line = None
        return settings_file.launch_settings(found, theirs, own, self._environ, status_line)

    def _of_bridge(self, bridge: RunningBridge, whose: str = "") -> Offer:
        """Return what a running bridge offers, with the token that it needs; ``whose``: what people call it."""
        whose = whose or f"the bridge at {bridge.url}"
        models, token = self._published(bridge.url, whose)
        if not models and token is None and bridge.config is not None:
            token = self._forwarded(bridge.config, AUTO)
            models = http_probe.published_models(bridge.url, token)
        config = bridge.config if bridge.config is not None and offer.is_of(bridge.config, models) else None
        default = offer.decided(models) if config is None else main_name(config)
        names = [model.name for model in models]
        main = self._chosen(names, default, whose, config)
        if main not in names and config is None:
            models = (OfferedModel(name=main, label=main), *models)
        if token is None:
            token = UNUSED if config is None else self._forwarded(config, main)
        return offer.of_bridge(bridge.url, models, config, main).with_token(token)

    def _published(self, url: str, whose: str) -> tuple[tuple[OfferedModel, ...], str | None]:
        """Return a bridge's models, and the token that it needs or may pass on; None if there is none to give."""
        given = own_token(self._environ)
        try:
            models = http_probe.published_models(url, None)
            return (models or http_probe.published_models(url, given)), given
        except KeyNeeded:
            pass
        if given is not None:
            try:
                return http_probe.published_models(url, given), given
            except KeyNeeded:
                raise ExpectedFailure(f"{whose} does not accept the key in {TOKEN}") from None
        typed = typed_key(self._person, f"Key for {whose}", whose, partial(http_probe.published_models, url))
        if typed is None:
            raise ExpectedFailure(f"{whose} asks for a key: set {TOKEN} to it")
        token, models = typed
        return models, token

    def _forwarded(self, config: Config, main: str) -> str:
        """Return the key to pass on to a backend that has none of its own and wants one, else any text."""
        backend = backend_wanting_key(config, main)
        if backend is None:
            return UNUSED
        return backend_key(self._environ) or self._typed_backend_key(backend.url)[0]

    def _typed_backend_key(self, url: str) -> tuple[str, ListedBackend]:
        """Return the key that somebody types for a backend, and its models."""
        whose = f"the backend at {url}"
        typed = typed_key(self._person, f"Key for {whose}", whose, partial(http_probe.listed_models, url))
        if typed is None:
            raise ExpectedFailure(f"{whose} asks for a key: set {BACKEND_KEY} to it")
        return typed

    def _backend(self, target: BackendAlone) -> SingleBackend:
        """Return a backend that was asked for its models, and the key that it wants."""
        key = backend_key(self._environ)
        try:
            listed = http_probe.listed_models(target.url, key)
        except KeyNeeded:
            if key is not None:
                told = f"the backend at {target.url} does not accept the key in {BACKEND_KEY}"
                raise ExpectedFailure(told) from None
            key, listed = self._typed_backend_key(target.url)
        whose = f"the backend at {target.url}"
        main = self._chosen(listed.models, target.model, whose, listing=f" ({listed.listing}, is its URL right?)")
        return SingleBackend(url=listed.url, key=key, main=main, models=listed.models)

    @contextmanager
    def _in_front_of(self, target: BackendAlone, folder: Path) -> Iterator[Offer]:
        """Run a bridge in front of one backend; yield what it offers."""
        backend, token = self._backend(target), token_urlsafe(32)
        environ = backend.environment(self._environ, token)
        with ExitStack() as stack:
            file = settings_file.write_private(folder / "claude-bridge.ini", backend.configuration())
            url = stack.enter_context(self._started(str(file), environ, folder))
            models = http_probe.published_models(url, token)
            if backend.main not in {model.name for model in models}:
                models = (OfferedModel(name=backend.main, label=backend.main), *models)
            yield offer.of_bridge(url, models, main=backend.main).with_token(token)

    @contextmanager
    def _started(
        self, file: str | None, environ: Mapping[str, str], folder: Path, needed: Sequence[Backend] = ()
    ) -> Iterator[str]:
        """Run a bridge; yield its URL. What it said last is shown if it ended by itself.

        Its control socket is in the folder, or commands for the user's own bridge would find two. While it starts the
        backends that it needs are tried. Raises `ExpectedFailure` also if all of them are down.
        """
        bridge = own_bridge.start(file, {**environ, "RUNTIME_DIRECTORY": str(folder)})
        try:
            self._refuse_if_down(needed, Connecting(needed).down(), file)
            yield bridge.address()
            if bridge.ended:
                self._err.write(f"claude-bridge launch: {bridge.failure()}\n")
        finally:
            bridge.stop()

    def _needed(self, config: Config) -> tuple[Backend, ...]:
        """Return the backends that the main model of a configuration may be at, as far as the names tell."""
        name = main_name(config) if self._order.model is None else plain_name(self._order.model)
        return needed_backends(config, name or AUTO)

    def _refuse_if_down(self, needed: Sequence[Backend], down: Sequence[Down], file: str | None) -> None:
        """Write a line for each backend that is down. Raises `ExpectedFailure` if no other is left.

        Claude Code would ask for three minutes without a word.
        """
        self._err.writelines(f"claude-bridge launch: {each}\n" for each in down)
        if down and len(down) == len(needed):
            command = shlex.join(["claude-bridge", "doctor", *([] if file is None else ["--config", file])])
            raise ExpectedFailure(
                f"no other backend has the model, so Claude Code is not started; `{command}` says more"
            )

    def _chosen(
        self, names: Sequence[str], default: str | None, whose: str, config: Config | None = None, listing: str = ""
    ) -> str:
        """Return the plain name of the main model: as ordered, else as decided, else as the person says."""
        wanted = None if self._order.model is None else plain_name(self._order.model)
        if wanted is not None:
            return offer.named_model(wanted, names, whose, config)
        if default is not None or len(names) == 1:
            return default or names[0]
        if not names:
            raise ExpectedFailure(f"{whose} lists no models{listing}: name one, `{self._order.with_model('MODEL')}`")
        if not self._person.is_there:
            listed = name_list(names[:MAX_LISTED], len(names))
            command = self._order.with_model(names[0])
            raise ExpectedFailure(f"{whose} has several models, {listed}: name one, as in `{command}`")
        self._err.write(f"{whose} has these models:\n")
        return self._person.choose("Which one", names)

    def _configured_choice(self, config: Config) -> str | None:
        """Return the main model of a configuration whose bridge does not run."""
        names = [model.name for model in offer.of_configuration(config, UNKNOWN_URL).models]
        return self._chosen(names, main_name(config), source_file(config.source), config)


def cleared(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """Return the client's environment: without a rival key, and with no proxy before a bridge on this machine."""
    result = {name: value for name, value in environ.items() if name != RIVAL}
    local = is_loopback((urlsplit(url).hostname or "").strip("[]"))
    if local and any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES):
        for name in _EXEMPT:
            result[name] = ",".join(filter(None, (environ.get(name), _LOCAL)))
    return result
