"""The address of a provider as other tools write it -> the base URL and the kind of a backend.

Others want the full path of an endpoint, or a base with or without its version; Gemini's native API, Ollama's and the
Anthropic-compatible ones of some vendors have paths of their own.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from claude_bridge.config.backend_urls import ANTHROPIC, GEMINI
from claude_bridge.config.fields import base_url
from claude_bridge.importers.text import Text, Variable

_URL: Final = re.compile(r"(?:https?://[^/\s\\]|\$\{\w+\})[^\s\\]*", re.IGNORECASE)

_ENDPOINTS: Final = (
    ("/chat/completions", "openai"),
    ("/completions", "openai"),
    ("/responses", "responses"),
    ("/messages/count_tokens", "anthropic"),
    ("/messages", "anthropic"),
    ("/models", "openai"),
    ("/embeddings", "openai"),
)
"""What an address may end in, and the kind that it tells."""

_OLLAMA: Final = re.compile(r"(?P<base>.*)/api/(?:chat|generate|tags)")
_GEMINI: Final = re.compile(r"(?P<version>.*/v1(?:beta|alpha)?)(?:/models)?(?:/openai)?")
_ANTHROPICS: Final = re.compile(r".*/(?:anthropic|claude)(?:/v1)?|.*/v1/messages")
_AZURE: Final = re.compile(r"(?P<host>https?://[^/]*\.azure\.com)/openai/deployments/(?P<name>[^/]+)(?:/.*)?")
_LOGIN: Final = re.compile(r"(?P<scheme>https?://)[^/@]*@", re.IGNORECASE)
_ROOT_IS_BASE: Final = frozenset({"api.deepseek.com", ANTHROPIC})
"""Hosts whose API begins at the root."""

SAMPLE_URL: Final = "https://example.invalid/v1"
SAMPLE_PART: Final = "example"


@frozen(kw_only=True)
class Address:
    """Where a backend is.

    :ivar url: its base URL; "" if the text is no address.
    :ivar kind: what it speaks; "" where the address does not tell, which means chat completions.
    :ivar lost: what of the text is not in the URL, in half sentences.
    :ivar changed: what was changed because the bridge wants it otherwise, in half sentences.
    """

    url: str
    kind: str = ""
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def address(text: str, kind: str = "") -> Address:
    """Return where ``text`` leads; ``kind``: what the file says of the backend otherwise, "" for nothing.

    The path of an endpoint counts more than that: other tools send requests there, whatever else they are told.
    References to variables may stand anywhere in it, as ``${NAME}``.
    """
    try:
        found = _address(text.strip(), kind)
        base_url(_filled(found.url))
    except ValueError:
        return Address(url="")
    return found


def _filled(url: str) -> str:
    """Return a URL with samples in the place of variables."""
    return "".join(each.sample if isinstance(each, Variable) else str(each) for each in url_text(url).parts)


def _address(url: str, kind: str) -> Address:
    """Return where a URL leads. Raises `ValueError` for what is none."""
    lost, changed = [], []
    if not _URL.fullmatch(url):
        raise ValueError("is no URL")
    if _LOGIN.match(url):
        url = _LOGIN.sub(r"\g<scheme>", url)
        lost.append("a user name or password in the address")
    plain, mark, _ = url.partition("#")
    plain, question, _ = plain.partition("?")
    if mark or question:
        lost.append("what stands behind ? or # in the address")
    if azure := _AZURE.fullmatch(plain):
        changed.append(f"Azure's newer path is used, where the model must have the deployment's name, {azure['name']}")
        return Address(url=f"{azure['host']}/openai/v1", kind=kind, lost=(), changed=tuple(changed))
    base, told = _base(plain.rstrip("/"), kind)
    base, path_change = _with_path(base, told or kind)
    changed += [path_change] if path_change else []
    return Address(url=base, kind=told or kind, lost=tuple(lost), changed=tuple(changed))


def _base(url: str, kind: str) -> tuple[str, str]:
    """Return the base of a URL without a query, and the kind that it tells."""
    host = host_of(url)
    if host == GEMINI and kind in {"", "openai"}:
        match = _GEMINI.fullmatch(url.removesuffix("/chat/completions"))
        return (f"{match['version']}/openai" if match else f"https://{GEMINI}/v1beta/openai"), "openai"
    if ollama := _OLLAMA.fullmatch(url):
        return f"{ollama['base']}/v1", "openai"
    for end, told in _ENDPOINTS:
        if url.endswith(end):
            url = url.removesuffix(end).rstrip("/")
            return (url.removesuffix("/v1").rstrip("/") if told == "anthropic" else url), told
    if _is_anthropics(url, host):
        return url.removesuffix("/v1").rstrip("/"), "anthropic"
    return url, ""


def _is_anthropics(url: str, host: str) -> bool:
    return host == ANTHROPIC or _ANTHROPICS.fullmatch(urlsplit(url).path) is not None


def _with_path(url: str, kind: str) -> tuple[str, str]:
    """Return a base with the path of its version, and what was added."""
    path = re.sub(r"^(?:https?://|\$\{)[^/]*", "", url, flags=re.IGNORECASE)
    if path or kind == "anthropic" or host_of(url) in _ROOT_IS_BASE or url.startswith("$"):
        return url, ""
    return f"{url}/v1", "/v1 was added to the address, where such servers have their API"


def host_of(url: str) -> str:
    """Return the host of a URL in lower case, "" if there is none or it is in a variable."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def url_text(url: str) -> Text:
    """Return a URL as a value: ``${NAME}`` in it refers to a variable."""
    parts: list[str | Variable] = []
    for number, part in enumerate(re.split(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", url)):
        if number % 2:
            parts.append(Variable(part, _sample(url, part)))
        elif part:
            parts.append(part)
    return Text(parts=tuple(parts))


def _sample(url: str, name: str) -> str:
    """Return a value with which a URL is one."""
    if url.startswith(f"${{{name}}}"):
        return SAMPLE_URL
    return "8000" if re.search(rf":\$\{{{name}\}}", url) else SAMPLE_PART
