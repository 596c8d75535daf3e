"""The command: examines the backends of a configuration, the client and the service, and prints what was found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor

from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import Secret
from claude_bridge.doctor import client_files, client_side, service_side
from claude_bridge.doctor.checks import order
from claude_bridge.doctor.examination import Examination, examine
from claude_bridge.doctor.finding import Finding, Level, exit_status
from claude_bridge.doctor.origin import origin_of
from claude_bridge.doctor.report import Part, as_json, fixes, heading, line, summary
from claude_bridge.doctor.services import DoctorServices, make_services
from claude_bridge.doctor.short import BackendState
from claude_bridge.services.steady_time import keep_steady_time

CLIENT_SECONDS: Final = 10.0
DEEP_SECONDS: Final = 300.0
_TOKEN: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_RIVAL: Final = "ANTHROPIC_API_KEY"
_ANTHROPIC: Final = "sk-ant-"


@frozen(kw_only=True)
class Order:
    """What is to be examined, and how it is printed.

    :ivar backend: the only backend to examine, by its name; "" for all.
    :ivar model: the model to examine, by its alias or its name at the backend; "" for the first that is configured.
    :ivar by_option: whether the command line names a backend that is in no configuration.
    :ivar quick: whether checks that take long are left out.
    :ivar deep: whether the client itself is run for one turn through the bridge.
    :ivar local: whether the client and the service on this machine are looked at, and the client's key is used where
        the bridge would forward it.
    """

    backend: str = ""
    model: str = ""
    by_option: bool = False
    quick: bool = False
    deep: bool = False
    local: bool = True
    json: bool = False
    fix: bool = False


@frozen(kw_only=True)
class Bridge:
    """What the command line knows of the bridge of a configuration.

    :ivar url: its address for clients here; None if it has no fixed one.
    :ivar settings: the settings with which Claude Code uses it, as the text of a ``settings.json``.
    :ivar file: the configuration file; None if there is none.
    :ivar since: when a running bridge read it, in Unix seconds; None if none runs here.
    :ivar outdated: what is wrong with Claude Code's settings of an earlier configuration, with the cure.
    """

    url: str | None = None
    settings: str = "{}"
    file: str | None = None
    since: float | None = None
    outdated: Sequence[str] = ()


@define(eq=False, kw_only=True)
class _Printer:
    """Prints each finding when it is made, unless one document is wanted at the end."""

    _out: TextIO
    _err: TextIO
    _order: Order
    _in_file: bool
    _parts: list[Part] = field(factory=list, init=False)

    @property
    def parts(self) -> Sequence[Part]:
        """Return what was found so far."""
        return self._parts

    def say(self, text: str) -> None:
        """Print a line for people."""
        if not self._order.json:
            self._out.write(text)
            self._out.flush()

    def announce(self, text: str) -> None:
        """Print what is said beforehand, beside the document if one is wanted."""
        (self._err if self._order.json else self._out).write(text)

    def begin(self, title: str, about: str = "") -> None:
        """Begin a part of the report."""
        self.say(heading(Part(title=title, about=about)))

    def told(self, finding: Finding) -> None:
        """Print a finding."""
        self.say(line(finding, terminal=_is_terminal(self._out)))

    def keep(self, part: Part) -> None:
        """Keep what was found for the end."""
        self._parts.append(part)

    def all(self, title: str, findings: Sequence[Finding]) -> None:
        """Print and keep a part that was found at once."""
        if findings:
            self.begin(title)
            for finding in findings:
                self.told(finding)
            self.keep(Part(title=title, findings=tuple(findings)))

    def end(self) -> int:
        """Print the end of the report, and return the exit status."""
        if self._order.json:
            self._out.write(as_json(self._parts))
        else:
            self._out.write(summary(self._parts))
            lines = fixes(self._parts, in_file=self._in_file) if self._order.fix else ""
            self._out.write(f"\n{lines}" if lines else "")
        return exit_status(finding for part in self._parts for finding in part.findings)


def run(config: Config, wanted: Order, environ: Mapping[str, str], bridge: Bridge, *, out: TextIO, err: TextIO) -> int:
    """Examine what is wanted, print it, and return the exit status."""
    backends = _backends(config, wanted)
    in_file = any(origin_of(config, each, by_option=wanted.by_option).in_file for each in backends)
    printer = _Printer(out=out, err=err, order=wanted, in_file=in_file)
    printer.announce(_announced(backends, wanted))

    async def work(reactor: Any) -> tuple[int | None, bool | None]:  # noqa: ANN401 - a reactor is many interfaces
        services = make_services(config, reactor)
        try:
            windows = [await _backend(services, each, wanted, environ, printer) for each in backends]
            alive = await _alive(services, bridge.url) if wanted.local and bridge.url is not None else None
        finally:
            await services.close()
        return min((window for window in windows if window is not None), default=None), alive

    window, alive = in_reactor(work)
    if wanted.local:
        program = shutil.which("claude", path=environ.get("PATH", os.defpath))
        client = client_side.Client(
            program=program or "",
            version="" if program is None else _version(program, environ),
            sources=client_files.sources(environ, Path.cwd()),
            bridge=bridge.url,
            alive=alive,
            window=window,
            outdated=bridge.outdated,
        )
        found = list(client_side.findings(client))
        if wanted.deep:
            found.append(turn(program, bridge, environ, alive=alive is True))
        printer.all("client", found)
        printer.all("service", list(service_side.findings(service_side.properties(environ), bridge.file, bridge.since)))
    return printer.end()


def _backends(config: Config, wanted: Order) -> Sequence[Backend]:
    """Return the backends to examine: the one that is named, else those with the model that is named, else all."""
    if wanted.backend:
        return [config.backends[wanted.backend]]
    having = {each.backend for each in config.models.values() if wanted.model in {each.alias, each.name}}
    return [each for each in config.backends.values() if not having or each.name in having]


def _is_terminal(out: TextIO) -> bool:
    """Return whether symbols can be shown there."""
    return out.isatty() and (out.encoding or "").lower().replace("-", "") == "utf8"


def _announced(backends: Sequence[Backend], wanted: Order) -> str:
    """Return the line that says what it will cost."""
    tokens = order.tokens(order.chosen(quick=wanted.quick))
    less = order.tokens(order.chosen(quick=True))
    saving = "" if wanted.quick else f"; --quick makes it {_rounded(less)}"
    each = "" if len(backends) == 1 else " from each backend"
    deep = ", and one turn of Claude Code (some 30,000)" if wanted.deep else ""
    return f"This takes about {_rounded(tokens)} tokens{each}, the answers' included{deep}{saving}.\n\n"


def _rounded(tokens: int) -> str:
    return f"{round(tokens, -2):,}"


async def _backend(
    services: DoctorServices, backend: Backend, wanted: Order, environ: Mapping[str, str], printer: _Printer
) -> int | None:
    """Examine one backend and return the context window of its model."""
    title = f"backend {backend.name}"
    printer.begin(title, backend.url)
    client = _brought(environ) if wanted.local else None
    examination: Examination = await services.examination(
        backend,
        client,
        model=wanted.model,
        by_option=wanted.by_option,
        may_bring=wanted.local,
        told=printer.told,
    )
    await examine(examination, order.chosen(quick=wanted.quick))
    printer.keep(Part(title=title, about=backend.url, findings=tuple(examination.findings)))
    return examination.window


def _brought(environ: Mapping[str, str]) -> Secret | None:
    """Return the key that a client here would bring; never one of Anthropic's."""
    token = environ.get(_TOKEN, "").strip()
    return Secret(token) if token and not token.startswith(_ANTHROPIC) else None


async def _alive(services: DoctorServices, url: str) -> bool:
    """Return whether a bridge answers at an address."""
    reply = await services.asker.small(Backend(name="bridge", url=url, connect_timeout=2.0), None, "health")
    return reply.good


def in_reactor(work: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - whatever the work returns
    """Run a coroutine function in a reactor of its own and return its result; raises what it raises."""
    reactor = SelectReactor()
    keep_steady_time(reactor)
    ended: list[Any] = []

    def done(result: object) -> None:
        ended.append(result)
        reactor.stop()

    def begin() -> None:
        Deferred.fromCoroutine(work(reactor)).addBoth(done)

    reactor.callWhenRunning(begin)
    reactor.run()
    if not ended:
        raise KeyboardInterrupt
    result = ended[0]
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


def online(config: Config) -> list[BackendState]:
    """Return the short form for each backend of a configuration."""

    async def work(reactor: Any) -> list[BackendState]:  # noqa: ANN401 - a reactor is many interfaces
        services = make_services(config, reactor)
        short = services.short_form()
        try:
            looking = [Deferred.fromCoroutine(short.look(each)) for each in config.backends.values()]
            return [await each for each in looking]
        finally:
            await services.close()

    found: list[BackendState] = in_reactor(work)
    return found


def _version(program: str, environ: Mapping[str, str]) -> str:
    """Return the version of the client; "" if it does not run."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own program
            [program, "--version"], capture_output=True, timeout=CLIENT_SECONDS, check=False, env=dict(environ)
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    words = done.stdout.decode("utf-8", "replace").split()
    return words[0][:40] if done.returncode == 0 and words else ""


def turn(program: str | None, bridge: Bridge, environ: Mapping[str, str], *, alive: bool) -> Finding:
    """Run the client for one turn through the bridge, with settings of its own, and return how that went."""
    if program is None or not alive or bridge.url is None:
        what = "Claude Code is not installed" if program is None else "no bridge runs here"
        return _turned("ok", f"no turn was tried, as {what}")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # mode 0600
        file.write(_with_token(bridge.settings, environ))
        file.flush()
        command = [program, "-p", "Reply with the one word: ready", "--settings", file.name]
        rest = {name: value for name, value in environ.items() if name != _RIVAL}
        try:
            done = subprocess.run(  # noqa: S603 - the user's own program
                command, capture_output=True, timeout=DEEP_SECONDS, check=False, env=rest, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.SubprocessError) as error:
            return _turned("fault", f"claude -p did not end: {type(error).__name__}")
    said = " ".join((done.stdout or done.stderr).decode("utf-8", "replace").split())[:200]
    if done.returncode:
        return _turned("fault", f"claude -p failed: {said}")
    return _turned("ok", f"claude -p answers: {said}")


def _with_token(settings: str, environ: Mapping[str, str]) -> str:
    """Return the settings with the user's own token, where the user has one."""
    values = json.JSONDecoder().decode(settings)
    variables = values.setdefault("env", {})
    variables[_RIVAL] = ""
    if environ.get(_TOKEN):
        variables[_TOKEN] = environ[_TOKEN]
    return json.dumps(values)


def _turned(level: Level, sentence: str) -> Finding:
    return Finding(number=20, check="client", level=level, sentence=sentence)
