"""The daemon without a search for Twisted plugins: what ``claude-bridge run`` starts.

``twistd claude-bridge`` finds this service among all plugins of the machine, and writes a plugin cache if it may. Here
twistd's own options and runner are used with this one service, without a search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from twisted.application.service import ServiceMaker
from twisted.scripts.twistd import ServerOptions, runApp  # type: ignore[attr-defined]  # the platform's, imported there

FOREGROUND: Final = ("--nodaemon", "--pidfile=")

_NAME: Final = "claude-bridge"
_SERVICE: Final = ServiceMaker(_NAME, "claude_bridge.tap", "", _NAME)
"""As in ``twisted/plugins/claude_bridge_plugin.py``; imports nothing of it until it is asked for."""


def _service_options() -> Any:  # noqa: ANN401 - of whatever class the service maker names
    return _SERVICE.options()


class _Options(ServerOptions):
    """twistd's options with one service, without a search for plugins."""

    loadedPlugins: dict[str, Any]  # noqa: N815 - Twisted's name

    @property
    def subCommands(self) -> Iterator[tuple[str, None, Any, str]]:  # noqa: N802 - Twisted's name
        """Yield the one service, as twistd yields what it finds."""
        self.loadedPlugins = {_NAME: _SERVICE}
        yield _NAME, None, _service_options, _SERVICE.description


def serve(arguments: Sequence[str]) -> None:
    """Run the daemon in the foreground, in this process, until it is stopped.

    ``arguments`` are those of ``twistd claude-bridge``. Raise `SystemExit` if the service does not start.
    """
    options = _Options()
    options.parseOptions([*FOREGROUND, _NAME, *arguments])
    runApp(options)
