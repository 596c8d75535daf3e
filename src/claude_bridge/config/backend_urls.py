"""Finds base URLs that are valid but do not lead to the API of the backend's kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from claude_bridge.config.listeners import is_loopback

ANTHROPIC: Final = "api.anthropic.com"
GEMINI: Final = "generativelanguage.googleapis.com"

_TOO_FAR: Final = re.compile(
    r"(?P<base>.*/v\d[a-z0-9]*)/(?P<end>messages(?:/count_tokens)?|models|completions|responses|embeddings|chat)"
)
"""An endpoint too many after the version. Without a version it may be a path of somebody's own."""
_OLLAMA: Final = re.compile(r"(?P<base>.*)/api/(?:chat|generate|tags|show|ps|embed)")
_OF_ANTHROPICS: Final = re.compile(r"(?P<base>.*)/anthropic(?:/v1(?:/messages)?)?")

_BESIDE_ANTHROPICS: Final = {
    "api.deepseek.com": "https://api.deepseek.com",
    "api.moonshot.ai": "https://api.moonshot.ai/v1",
    "api.moonshot.cn": "https://api.moonshot.cn/v1",
    "api.z.ai": "https://api.z.ai/api/paas/v4",
    "open.bigmodel.cn": "https://open.bigmodel.cn/api/paas/v4",
    "dashscope-intl.aliyuncs.com": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    "dashscope.aliyuncs.com": "https://dashscope.aliyuncs.com/compatible-mode/v1",
}
"""Vendors with an Anthropic-compatible URL -> their URL for chat completions."""


def misdirected(url: str, kind: str) -> Iterator[str]:
    """Yield what is probably wrong with the base URL of a backend of a kind, and the right form."""
    if kind == "openai":
        yield from _no_chat_completions(url)
    elif kind == "responses":
        yield from _no_responses(url)


def _no_responses(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    host, path = (parts.hostname or "").lower(), parts.path
    root = f"{parts.scheme}://{parts.netloc}"
    if host == ANTHROPIC or _OF_ANTHROPICS.fullmatch(path):
        yield "is for Anthropic's API, not for the Responses API: set kind = anthropic, or take another address"
    elif found := _TOO_FAR.fullmatch(path):
        yield f"ends in /{found['end']}, not the base of them all: did you mean {root}{found['base']}?"
    elif found := _OLLAMA.fullmatch(path):
        yield f"is Ollama's native API: did you mean {root}{found['base']}/v1?"


def _no_chat_completions(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    host, path = (parts.hostname or "").lower(), parts.path
    root = f"{parts.scheme}://{parts.netloc}"
    if host == ANTHROPIC:
        yield "is Anthropic's own API, not chat completions: set kind = anthropic, or take another address"
    elif host == GEMINI and not path.endswith("/openai"):
        yield f"is Gemini's native API: did you mean https://{GEMINI}/v1beta/openai?"
    elif _OF_ANTHROPICS.fullmatch(path):
        right = _BESIDE_ANTHROPICS.get(host)
        meant = f"url = {right}" if right else "take the vendor's address for OpenAI clients"
        yield f"is for Anthropic's API, not for chat completions: set kind = anthropic, or {meant}"
    elif found := _TOO_FAR.fullmatch(path):
        other = "Anthropic's API, not chat completions" if "messages" in found["end"] else "not the base of them all"
        yield f"ends in /{found['end']}, {other}: did you mean {root}{found['base']}?"
    elif found := _OLLAMA.fullmatch(path):
        yield f"is Ollama's native API: did you mean {root}{found['base']}/v1?"


def is_here(url: str) -> bool:
    """Return whether a backend is on this machine, as far as its URL tells."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or is_loopback(host)
