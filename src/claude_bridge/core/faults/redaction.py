"""Takes out of a backend's words what its callers have no business to see.

Known secrets are the caller's to remove, by value. This module removes what merely looks like a
credential, an address or a host of somebody's own network, and cuts long texts without leaving
half a word. All patterns are linear: each consumes bounded or possessive runs.
"""

from __future__ import annotations

import re

CREDENTIAL = "[credential]"
ADDRESS = "[address]"

# Prefixes of credentials of the vendors that a bridge talks to, then the three forms that carry none: JSON web
# tokens, AWS key ids, and long runs of letters and digits mixed (a model's name has separators within 32).
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk|cpk|csk|gsk|tgp|hf|r8|fw|ghp|gho|glpat|nvapi|pplx|xai)[-_][\w.*…-]{6,}+"
    r"|AIza[\w-]{16,}+"
    r"|eyJ[\w-]{8,}+(?:\.[\w-]++){0,2}"
    r"|AKIA[0-9A-Z]{12,}+"
    r"|(?=[A-Za-z]{0,31}[0-9])(?=[0-9]{0,31}[A-Za-z])[A-Za-z0-9]{32,}+"
    r")"
)
_AUTHORIZATION = re.compile(r"\b(bearer|basic)\s{1,4}[^\s\"',;)\]}]++", re.IGNORECASE)
_NAMED_SECRET = re.compile(
    r"\b((?:x-)?api[-_ ]?key|authorization|access[-_ ]token|auth[-_ ]token|password|passwd|secret)"
    r"((?:\s(?:provided|is|was))?[\"']?\s?[:=]\s?)[\"'`]?[^\s\"'`,;)\]}]++",
    re.IGNORECASE,
)

_URL = re.compile(r"\b(?:https?|wss?|tcp|unix|grpc|redis|postgres(?:ql)?)://[^\s\"'`<>]++", re.IGNORECASE)
# A plain https address of a documentation page: no user, no port, no query, a public name.
_PUBLIC_URL = re.compile(
    r"https://(?:[a-z0-9-]{1,63}\.){1,5}(?:com|org|net|io|ai|dev|cloud|cn|co)(?:/[^?#@:]*)?", re.IGNORECASE
)
_LOCAL_NAME = (
    r"(?:localhost|(?:[a-z0-9_-]{1,63}\.){1,8}"
    r"(?:internal|local|localdomain|lan|home|corp|intranet|private|svc|arpa|consul|cluster|ts\.net))"
)
_HOST = re.compile(
    r"(?<![\w.-])(?:"
    r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-])"  # IPv4
    r"|\[[0-9a-f]{0,4}:[0-9a-f:.%]{1,45}\]"  # IPv6
    rf"|{_LOCAL_NAME}(?![\w-])"
    r"|[a-z][a-z0-9_]{0,62}(?:[.-][a-z0-9_]{1,63}){1,8}(?=:[0-9]{4,5}(?![\w.]))"  # name:port
    r")(?::[0-9]{1,5}(?!\w))?",
    re.IGNORECASE,
)
# What Python, Go and nginx say before the name of the host that they cannot reach.
_NAMED_HOST = re.compile(
    r"\b(host(?:name)?\s?=\s?[\"']?|(?:to|for) host:?\s|lookup\s|dial tcp:?\s(?!lookup))(?!\[)[\w.:-]++", re.IGNORECASE
)

_KEY_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


def redact(text: str) -> str:
    """Replace what looks like a credential or an internal address."""
    text = _URL.sub(_url, text)
    text = _AUTHORIZATION.sub(rf"\1 {CREDENTIAL}", text)
    text = _NAMED_SECRET.sub(rf"\1\2{CREDENTIAL}", text)
    text = _KEY.sub(CREDENTIAL, text)
    text = _NAMED_HOST.sub(rf"\1{ADDRESS}", text)
    return _HOST.sub(ADDRESS, text)


def shorten(text: str, most: int) -> str:
    """Cut ``text`` to about ``most`` characters, never inside a word: half a secret would pass every scrub."""
    if len(text) <= most:
        return text
    return text[:most].rstrip(_KEY_CHARACTERS).rstrip() + " …"


def _url(found: re.Match[str]) -> str:
    """Keep a public documentation page, hide every other address."""
    url = found[0].rstrip(".,;:)]}")
    tail = found[0][len(url) :]
    return (url if _PUBLIC_URL.fullmatch(url) else ADDRESS) + tail
