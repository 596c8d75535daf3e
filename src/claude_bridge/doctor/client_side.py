"""Checks 6 and 20: what Claude Code is told on this machine, by which file or variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from claude_bridge.doctor.client_files import Source, Winner, winner
from claude_bridge.doctor.finding import Finding, Level

BASE_URL: Final = "ANTHROPIC_BASE_URL"
RIVAL: Final = "ANTHROPIC_API_KEY"
WINDOW: Final = "CLAUDE_CODE_MAX_CONTEXT_TOKENS"

INSTALL: Final = "npm install -g @anthropic-ai/claude-code"
"""How to get Claude Code."""

_ELSEWHERE: Final = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""Variables with which the client does not look at ``ANTHROPIC_BASE_URL``."""

_ROUTERS: Final[Mapping[int, str]] = {3456: "Claude Code Router", 4000: "LiteLLM", 8317: "CLIProxyAPI"}
"""Usual ports of other routers."""

_OFF: Final = frozenset({"", "0", "false", "no", "off"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@frozen(kw_only=True)
class Client:
    """What is known of the client on this machine.

    :ivar program: its path; "" if it is not installed.
    :ivar version: what ``claude --version`` says; "" if it does not run.
    :ivar sources: the places that set variables, the one that wins first.
    :ivar bridge: the bridge's address by its configuration; None if it has no fixed one.
    :ivar alive: whether a bridge answers there; None if nobody has asked.
    :ivar window: the smallest context window of the models that were examined, in tokens; None if unknown.
    :ivar outdated: what is wrong with settings of an earlier configuration that lead to the bridge, with the cure.
    """

    program: str
    version: str
    sources: list[Source]
    bridge: str | None
    alive: bool | None = None
    window: int | None = None
    outdated: Sequence[str] = ()


def findings(client: Client) -> Iterator[Finding]:
    """Yield what is right and wrong on the client's side."""
    yield from _window(client)
    if not client.program:
        yield _found("warning", f"Claude Code is not installed here: {INSTALL}")
    elif not client.version:
        yield _found("warning", f"`{client.program} --version` fails: install Claude Code again, {INSTALL}")
    else:
        yield _found("ok", f"Claude Code {client.version}")
    for source in client.sources:
        if source.unreadable:
            yield _found("warning", f"{source.place}: {source.unreadable}, so what it sets is not known")
    address = winner(client.sources, BASE_URL)
    yield from _address(client, address)
    yield from (_found("warning", each) for each in client.outdated)
    yield from _rivals(client, address)
    yield from _proxies(client, address)


def _window(client: Client) -> Iterator[Finding]:
    told = winner(client.sources, WINDOW)
    if client.window is None or told is None or not told.value.isdecimal():
        return
    if any(WINDOW in each for each in client.outdated):  # which has a cure of its own
        return
    line = f"{WINDOW}={client.window}"
    if int(told.value) > client.window:
        yield _found(
            "warning",
            f"{told.place} tells Claude Code a window of {int(told.value):,} tokens, the model has {client.window:,}: "
            f"set {line}, or it compacts too late",
            number=6,
            check="window",
        )
    elif int(told.value) < client.window // 2:
        yield _found(
            "ok",
            f"{told.place} tells Claude Code {int(told.value):,} tokens of {client.window:,}; {line} uses all",
            number=6,
            check="window",
        )


def _address(client: Client, address: Winner | None) -> Iterator[Finding]:
    bridge = client.bridge
    if bridge is not None and client.alive:
        yield _found("ok", f"a bridge answers at {bridge}")
    elif bridge is not None and client.alive is False and address is not None and _same(address.value, bridge):
        yield _found("warning", f"no bridge answers at {bridge}, where {address.place} sends Claude Code: start it")
    elif bridge is not None and client.alive is False:
        yield _found("ok", f"no bridge runs at {bridge} now: claude-bridge run, or claude-bridge launch, starts one")
    if address is None:
        yield _found("ok", f"nothing sets {BASE_URL}: claude-bridge launch sets it for its own client")
        return
    shown = _without_login(address.value)
    if address.value.rstrip("/").endswith("/v1"):
        yield _found("warning", f"{address.place} sets {BASE_URL}={shown}: remove /v1, which the client adds itself")
    elif bridge is not None and not _same(address.value, bridge):
        router = _ROUTERS.get(_port(address.value), "")
        whose = f" ({router})" if router else ""
        wins = "unset it"
        if address.in_file:
            wins = "it wins over exported variables; run claude-bridge setup, or remove it there"
        yield _found(
            "warning",
            f"{address.place} sets {BASE_URL}={shown}{whose}, not this bridge ({bridge}): {wins}, or start the client "
            "with claude-bridge launch",
        )
    else:
        yield _found("ok", f"{address.place} sets {BASE_URL}={shown}")


def _rivals(client: Client, address: Winner | None) -> Iterator[Finding]:
    rival = winner(client.sources, RIVAL)
    if rival is not None and rival.value and address is not None:
        yield _found(
            "warning", f"{rival.place} sets {RIVAL}, which is sent beside the token and may be refused: remove it there"
        )
    for name in _ELSEWHERE:
        other = winner(client.sources, name)
        if other is not None and other.value.lower() not in _OFF:
            yield _found(
                "warning", f"{other.place} sets {name}: the client goes there and never to a bridge; remove it"
            )


def _proxies(client: Client, address: Winner | None) -> Iterator[Finding]:
    """Yield a warning where the client would send what is for the bridge to a proxy."""
    target = address.value if address is not None else client.bridge
    if target is None:
        return
    host = urlsplit(target).hostname or ""
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
    proxy = next(((name, found) for name in names if (found := winner(client.sources, name)) and found.value), None)
    exempt = winner(client.sources, "NO_PROXY") or winner(client.sources, "no_proxy")
    if proxy is None or _is_exempt(host, exempt.value if exempt is not None else ""):
        return
    name, found = proxy
    yield _found(
        "warning",
        f"{found.place} sets {name}, so the client asks that proxy for {host}: add it to NO_PROXY "
        f"(NO_PROXY={_extended(exempt, host)})",
    )


def _extended(exempt: Winner | None, host: str) -> str:
    return f"{exempt.value},{host}" if exempt is not None and exempt.value else host


def _is_exempt(host: str, exempt: str) -> bool:
    names = [name.strip().lower().removeprefix("*").removeprefix(".") for name in exempt.replace(" ", ",").split(",")]
    return "*" in exempt.split(",") or any(name and (host == name or host.endswith(f".{name}")) for name in names)


def _same(url: str, bridge: str) -> bool:
    """Return whether two addresses lead to the same bridge; all names of this machine are one."""
    return _place(url) == _place(bridge)


def _place(url: str) -> tuple[str, int]:
    host = (urlsplit(url).hostname or "").lower()
    return ("localhost" if host in _LOOPBACK else host), _port(url)


def _port(url: str) -> int:
    parts = urlsplit(url)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return 0


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _found(level: Level, sentence: str, *, number: int = 20, check: str = "client") -> Finding:
    return Finding(number=number, check=check, level=level, sentence=sentence)
