"""The proxy of a backend: what the key ``proxy`` may say, and the server that it comes to.

Every function here raises `ValueError` with one argument a mistake and never quotes the value.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from attrs import frozen

from claude_bridge.config.secret import HIDDEN, Secret

NONE: Final = "none"
ENVIRONMENT: Final = "env"

_PORT: Final = 80
_URL = re.compile(
    r"http://(?:(?P<login>[^\s/?#]*)@)?"
    r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_OTHER_SCHEME = re.compile(r"(?!http://)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FORM: Final = "http://[user:password@]host:port, with /, ?, #, @ and % in the password as %2F, %3F, %23, %40 and %25"


@frozen
class ProxyServer:
    """An HTTP proxy, which makes connections on behalf of others by CONNECT.

    :ivar host: a name or an address, without brackets.
    :ivar user: the name to log in with; empty for none.
    :ivar password: the password that belongs to it.
    """

    host: str
    port: int
    user: str = ""
    password: Secret | None = None

    @property
    def has_login(self) -> bool:
        """Whether there is something to log in with."""
        return bool(self.user) or self.password is not None

    def __str__(self) -> str:
        """Return its URL, the password hidden."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        password = "" if self.password is None else f":{HIDDEN}"
        login = f"{quote(self.user, safe='')}{password}@" if self.has_login else ""
        return f"http://{login}{host}:{self.port}"


@frozen
class ProxySetting:
    """The value of ``proxy``.

    :ivar server: the proxy that every connection goes through; None for direct connections.
    :ivar by_environment: whether the environment decides; `proxy_environment` sets ``server`` and ``why`` then.
    :ivar why: what in the environment decided: the name of a variable, or a few words.
    """

    server: ProxyServer | None = None
    by_environment: bool = False
    why: str = ""

    def __str__(self) -> str:
        """Return the value as a file has it, the password hidden."""
        if self.by_environment:
            return ENVIRONMENT
        return NONE if self.server is None else str(self.server)


def proxy(text: str) -> ProxySetting:
    """Read ``none``, ``env`` or the URL of a proxy."""
    if text in {NONE, ENVIRONMENT}:
        return ProxySetting(by_environment=text == ENVIRONMENT)
    if "://" not in text:
        raise ValueError(f"must be {NONE}, {ENVIRONMENT} or {_FORM}")
    return ProxySetting(proxy_server(text))


def proxy_server(text: str) -> ProxyServer:
    """Read the URL of a proxy."""
    if _OTHER_SCHEME.match(text):
        raise ValueError(
            "is an unsupported kind of proxy (TLS, SOCKS): only http:// is supported, for HTTPS backends too"
        )
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError(f"must be {_FORM}")
    port = int(found["port"] or _PORT)
    if not 0 < port < 65_536:  # noqa: PLR2004 - TCP's ports
        raise ValueError("the port must be from 1 to 65,535")
    user, colon, password = (found["login"] or "").partition(":")
    if password == HIDDEN:
        raise ValueError(f"the password is {HIDDEN}, as a dump shows it: put it back")
    secret = Secret(_decoded(password)) if colon and password else None
    return ProxyServer(found["host"].strip("[]").lower(), port, _user(user), secret)


def _user(text: str) -> str:
    user = _decoded(text)
    if ":" in user:
        raise ValueError("the user must not contain a colon (%3A): to the proxy the password begins there")
    return user


def _decoded(text: str) -> str:
    """Return the characters that ``text`` stands for; a ``%`` without two hexadecimal digits is itself."""
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the user and the password must be UTF-8, percent-encoded") from None
    if not plain.isprintable():
        raise ValueError("the user and the password must not contain a control character")
    return plain
