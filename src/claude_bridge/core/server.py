"""What the dialects of all kinds of backends say of a server: its name, and by what it is recognised."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from claude_bridge.core.backend_api import Clues


@frozen
class Server:
    """A server that is recognised by its hosts; implements `claude_bridge.core.backend_api.ServerDialect`.

    Dialects override as little as possible.

    :cvar name: as in ``dialect = NAME``.
    :cvar server: what it is, in a few words, for the documentation (Markdown).
    :cvar known_by: by what it is recognised besides its hosts, for the documentation, or "".
    :cvar hosts: host names, or suffixes with a leading dot, by which the server is recognised.
    :cvar key_header: the name of the header for the credential.
    :cvar is_anthropic: whether it is Anthropic itself.
    :cvar lists: paths of further lists that contain the windows of loaded models.
    :cvar speaks_for_itself: whether such a server never passes on clues of another one.
    """

    name: ClassVar[str] = "generic"
    server: ClassVar[str]
    known_by: ClassVar[str] = ""
    hosts: ClassVar[tuple[str, ...]] = ()
    key_header: ClassVar[str] = "Authorization"
    is_anthropic: ClassVar[bool] = False
    lists: ClassVar[tuple[str, ...]] = ()
    speaks_for_itself: ClassVar[bool] = False

    def recognised(self, clues: Clues) -> str:
        """Return the host if it is one of `hosts`, else ""; subclasses may use other clues."""
        return clues.host_among(self.hosts)
