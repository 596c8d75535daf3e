"""The control socket: requests of the owner to a running daemon, by HTTP over a UNIX socket.

Access is controlled by the file's mode, 0600: only the daemon's own user and root can connect. So no key is needed, and
web pages cannot reach it. It is created after privileges are dropped, so that it belongs to the user that the daemon
runs as. A daemon that cannot create one works without it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from attrs import asdict, define
from klein import Klein
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from werkzeug.exceptions import HTTPException

from claude_bridge.config.directories import CONTROL_SOCKET
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.core import strict_json
from claude_bridge.daemon.reload import Reloader, Stopping
from claude_bridge.daemon.service import Bridge
from claude_bridge.services.breaker import CircuitBreakers
from claude_bridge.unix_sockets import address_of, is_alive

MODE: Final = 0o600
_UMASK: Final = 0o177
_PRIVATE: Final = 0o700

_log = Logger()


@define
class ControlRoutes:
    """The Klein application of the control socket."""

    _bridge: Bridge
    _reloader: Reloader

    def app(self) -> Klein:
        """Build the application."""
        app = Klein()
        app.route("/status", methods=["GET"])(self.status)
        app.route("/reload", methods=["POST"])(self.reload)
        app.route("/breaker/<name>/reset", methods=["POST"])(self.reset)
        app.handle_errors(HTTPException)(lambda request, failure: _refuse(request, failure.value))
        return app

    def status(self, request: Request) -> bytes:
        """``GET /status``: the state of the process and of the configuration in force."""
        seen = {
            "process": asdict(self._bridge.process.snapshot()),
            "configuration": asdict(self._bridge.generation.snapshot()),
        }
        return _json(request, seen)

    async def reload(self, request: Request) -> bytes:
        """``POST /reload``: 200 with what changed, 422 with all mistakes."""
        try:
            reloaded = await self._reloader.reload()
        except ConfigErrors as errors:
            problems = [str(problem) for problem in errors.problems]
            return _json(request, {"error": "the configuration is wrong", "problems": problems}, 422)
        except Stopping:
            return _json(request, {"error": "the bridge is stopping"}, 409)
        return _json(request, asdict(reloaded))

    def reset(self, request: Request, name: str) -> bytes:
        """``POST /breaker/NAME/reset``: close a backend's circuit."""
        generation = self._bridge.generation
        if name not in generation.config.backends:
            return _json(request, {"error": f"unknown backend {name}"}, 404)
        if not isinstance(generation.breaker, CircuitBreakers):
            return _json(request, {"error": "there is no circuit breaker: [breaker] enabled is no"}, 409)
        generation.breaker.reset(name)
        return _json(request, {"backend": name, "circuit": generation.breaker.state(name).value})


class ControlSite(Site):
    """A site that logs neither its requests nor its start."""

    noisy = False

    def log(self, request: HTTPRequest) -> None:
        """Do nothing: what is done here writes log lines of its own."""


class ControlSocket(Service):
    """Listens while the daemon runs.

    :ivar path: of the socket; None while there is none.
    :param directories: where it may be, the first that can be used is taken.
    :param port: tells the port of the first listener, which the socket of a second daemon is called by.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
        resource: IResource,
        directories: Iterable[str],
        port: Callable[[], int | None],
    ) -> None:
        self.path: Path | None = None
        self._reactor = reactor
        self._site = ControlSite(resource, reactor=reactor)  # type: ignore[no-untyped-call]  # Twisted does not annotate it
        self._directories = tuple(directories)
        self._port = port
        self._listening: IListeningPort | None = None
        self._address = ExitStack()

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Create the socket and log its path; if that fails, log why."""
        super().startService()  # type: ignore[no-untyped-call]  # Twisted does not annotate it
        failed: list[str] = []
        for directory in self._directories:
            try:
                self._listen(Path(directory))
            except OSError as error:
                failed.append(f"{directory}: {error.strerror or error}")
            except CannotListenError as error:
                failed.append(f"{directory}: {getattr(error.socketError, 'strerror', None) or error.socketError}")
            else:
                _log.info("control socket: {path}", event="control", path=str(self.path))
                return
        reason = "; ".join(failed) or "no directory for it: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR or the state directory"
        write = _log.warn if failed else _log.info
        write("there is no control socket, SIGHUP reloads: {reason}", event="control", reason=reason)

    def stopService(self) -> Deferred[Any]:  # noqa: N802 - Twisted's name
        """Remove it."""
        super().stopService()  # type: ignore[no-untyped-call]  # the same
        listening, path = self._listening, self.path
        self._listening = self.path = None
        if listening is None or path is None:
            self._address.close()
            return succeed(None)
        with suppress(OSError):
            path.touch(MODE)  # Twisted is about to remove it, and stumbles where somebody has done so already
        closed: Deferred[Any] = maybeDeferred(listening.stopListening)
        closed.addErrback(lambda failure: failure.trap(OSError))
        return closed.addBoth(lambda _: self._address.close())

    def _listen(self, directory: Path) -> None:
        """Listen in a directory; raises `OSError` or `CannotListenError`."""
        directory.mkdir(mode=_PRIVATE, exist_ok=True)
        path = self._free(directory)
        address = self._address.enter_context(address_of(path))
        before = os.umask(_UMASK)  # so that there is no moment in which others could get in
        try:
            self._listening = self._reactor.listenUNIX(address, self._site, mode=MODE)
        finally:
            os.umask(before)
        self.path = path

    def _free(self, directory: Path) -> Path:
        """Return the first name that no running daemon uses; sockets of daemons that died are removed."""
        port = self._port()
        names = [CONTROL_SOCKET.format(""), *([CONTROL_SOCKET.format(f"-{port}")] if port else [])]
        for name in names:
            path = directory / name
            if path.exists() and not path.is_socket():
                raise OSError(errno.EEXIST, f"{path} is no socket")
            if not is_alive(path):
                path.unlink(missing_ok=True)
                return path
        raise OSError(errno.EADDRINUSE, f"{', '.join(names)}: other bridges have them")


def _json(request: Request, value: object, status: int = 200) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json")
    return strict_json.encode(value)


def _refuse(request: Request, error: HTTPException) -> bytes:
    return _json(request, {"error": f"{request.method.decode('latin-1')} {error.name}"}, error.code or 500)
