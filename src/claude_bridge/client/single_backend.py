"""A bridge in front of one backend that no file describes: its configuration, and how it gets its keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import field, frozen

from claude_bridge.config.variables import ALONE

NAME: Final = "backend"

BACKEND_KEY: Final = "CLAUDE_BRIDGE_BACKEND_KEY"
CLIENT_KEY: Final = "CLAUDE_BRIDGE_CLIENT_KEY"
"""Variables in which the bridge gets the backend's key and its client's: other users may see files and commands."""

_REPLACED: Final = frozenset({"BACKEND_URL", "HOST_PORT", *ALONE})
"""Variables that say what the configuration says already."""


@frozen(kw_only=True)
class SingleBackend:
    """One backend.

    :ivar url: the base URL.
    :ivar key: None if it wants none.
    :ivar main: the model for every name that it does not list, such as those that Claude Code uses by itself.
    :ivar models: the names that it lists.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    main: str
    models: Sequence[str] = ()

    def configuration(self) -> str:
        """Return the INI text. Only this client gets in: other users of the machine would spend the backend's key."""
        lines = [
            *("[server]", "credentials = keys", "list_backend_models = yes", "drain_timeout = 1", ""),
            *("[key:launch]", f"secret = ${{{CLIENT_KEY}}}", ""),
            *(f"[backend:{NAME}]", f"url = {_escaped(self.url)}"),
            *([] if self.key is None else [f"api_key = ${{{BACKEND_KEY}}}"]),
        ]
        if not any(character.isspace() or character == "," for character in self.main):
            lines += ["", "[route:default]", f"models = {NAME}/{_escaped(self.main)}"]
        return "\n".join(lines) + "\n"

    def environment(self, environ: Mapping[str, str], client_key: str) -> dict[str, str]:
        """Return the variables of the bridge."""
        kept = {name: value for name, value in environ.items() if name not in _REPLACED}
        keys = {} if self.key is None else {BACKEND_KEY: self.key}
        return kept | keys | {CLIENT_KEY: client_key}


def _escaped(text: str) -> str:
    return text.replace("$", "$$")
