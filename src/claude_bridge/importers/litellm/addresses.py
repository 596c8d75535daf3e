"""``api_base`` of LiteLLM -> URL of a backend, and a name for it."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import frozen

from claude_bridge.config.backend_urls import is_here
from claude_bridge.importers.litellm.providers import Provider
from claude_bridge.importers.litellm.values import Values, fits_a_line, host
from claude_bridge.importers.names import plain_name
from claude_bridge.importers.text import Text, Variable

_DEPLOYMENT: Final = re.compile(r"/openai/deployments/.*")
_UNTOLD: Final = frozenset({"api", "llm", "inference", "openai", "www", "ai", "router", "gateway"})
"""Parts of a host's name that do not say whose it is."""
_LAST_WORDS: Final = re.compile(r"(?:_?(?:OPENAI|API))?_?(?:BASE_?URL|API_?BASE|BASE|URL|ENDPOINT|HOST)$")

_SAMPLE: Final = "http://127.0.0.1:8000"
_SAMPLE_AZURE: Final = "https://example.openai.azure.com"


@frozen
class UnusableAddress(Exception):
    """An ``api_base`` that no backend can have; ``str()`` says why, without quoting it."""

    why: str

    def __str__(self) -> str:
        """Return it."""
        return self.why


def url_of(written: str, provider: Provider, values: Values, root: str) -> Text:
    """Return the URL for an ``api_base``; ``root`` is what follows it. Raises `UnusableAddress`."""
    sample = _SAMPLE_AZURE if provider.dialect == "azure" else _SAMPLE
    text = values.plain(written.strip(), sample)
    first = text.parts[0]
    if not isinstance(first, str):
        return Text(parts=(*text.parts, root)) if root else text
    return Text(parts=(_tidied(first, provider) + root,))


def _tidied(address: str, provider: Provider) -> str:
    """Return an address without what does not belong to a base URL."""
    address = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise UnusableAddress("no valid URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[\s\\]", address):
        raise UnusableAddress("no URL that begins with http:// or https://")
    if "@" in parts.netloc:
        raise UnusableAddress("a user name or password in it, which no URL may have here")
    path = _DEPLOYMENT.sub("", parts.path).rstrip("/").removesuffix("/chat/completions").rstrip("/")
    for end in provider.cut:
        if path.endswith(end):
            path = path.removesuffix(end)
            break
    found = urlunsplit((parts.scheme, parts.netloc, path.rstrip("/"), "", ""))
    if not fits_a_line(found):
        raise UnusableAddress("characters that no INI file can hold")
    return found


def has_query(written: str) -> bool:
    """Return whether an address has a query or fragment, which a base URL may not have."""
    return "://" in written and ("?" in written or "#" in written)


def needs_no_key(url: Text) -> bool:
    """Return whether a server without a key of its own in the file is one that asks for none, by its address."""
    name = host(url)
    if not name or "." not in name or is_here(str(url.parts[0])):
        return True
    try:
        return ipaddress.ip_address(name).is_private
    except ValueError:
        return name.endswith((".local", ".lan", ".internal", ".svc", ".home"))


def backend_hint(prefix: str, url: Text, provider: Provider) -> str:
    """Return a name for a backend: that of the provider, or where everybody has an address of their own, the host's."""
    if prefix not in {"openai", "custom_openai", "openai_like", "aiohttp_openai", ""} or url.parts == (provider.url,):
        return plain_name({"ollama_chat": "ollama", "hosted_vllm": "vllm"}.get(prefix, prefix), "backend").replace(
            "_", "-"
        )
    first = url.parts[0]
    if isinstance(first, Variable):
        return plain_name(_LAST_WORDS.sub("", first.name).lower(), "backend").replace("_", "-")
    name = host(url)
    if is_here(str(first)):
        return "local"
    if re.fullmatch(r"[\d.]+|.*:.*", name):
        return "backend"
    labels = name.split(".")
    telling = [each for each in (labels[:-1] or labels) if each not in _UNTOLD]
    return plain_name(telling[-1] if telling else labels[0], "backend")
