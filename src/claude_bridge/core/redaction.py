"""Redaction: removes credentials and internal addresses from texts. No other module does.

`Redactor` hides known credentials, by value, in everything that leaves the daemon. `redact` hides in a backend's words,
for clients, what merely looks like a credential, an address or a host of a private network.
`shorten` cuts long texts without leaving half a word. All patterns take linear time: each matches bounded or possessive
runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final

from attrs import define, field

from claude_bridge.core import spellings

MIN_CREDENTIAL_CHARACTERS: Final = 12
"""Characters of the shortest credential that is hidden: shorter ones occur in ordinary words and names, and are easily
guessed anyway. Keys of vendors have 20 and more."""

MAX_FORMER_CREDENTIALS: Final = 256
"""Credentials of earlier configurations that stay hidden: a backend that was sent one may still quote it. There are
more only if a key changes with each of many reloads."""

MAX_FORWARDED_CREDENTIALS: Final = 64
"""Credentials of clients that are remembered: each costs some 0.2 us for a line of the log. A request in progress adds
its own again before an error is reported."""

HIDDEN: Final = "***"
"""Replaces a known credential."""

MAX_WORD_CHARACTERS: Final = 64
"""Characters; most values of log lines are the same few words again and again, so their results are cached."""

MAX_REMEMBERED_WORDS: Final = 2_000
"""Short texts whose results are cached: some 200 kB."""

CREDENTIAL = "[credential]"
ADDRESS = "[address]"

# Credentials with the prefixes of the vendors that a bridge talks to, then three other forms: JSON web
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
# Without requiring a digit, "=", "+" or "/", "bearer authentication is required" would match.
_AUTHORIZATION = re.compile(r"\b(bearer|basic)\s{1,4}(?=[^\s\"',;)\]}]{0,200}[0-9=+/])[^\s\"',;)\]}]++", re.IGNORECASE)
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
# Words of Python, Go and nginx before the name of a host that they cannot reach.
_NAMED_HOST = re.compile(
    r"\b(host(?:name)?\s?=\s?[\"']?|(?:to|for) host:?\s|lookup\s|dial tcp:?\s(?!lookup))(?!\[)[\w.:-]++", re.IGNORECASE
)

_KEY_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


_UNMISTAKABLE = re.compile(
    r"\b(?:[Bb]earer|BEARER)\s+(?=[A-Za-z._~+/=-]{0,200}[0-9])[A-Za-z0-9._~+/=-]{8,}|\bsk-[A-Za-z0-9_-]{12,}"
)
"""Unknown credentials, by shapes that nothing else has. No more may be guessed in log lines: an id that is hidden by
mistake would be missed there."""

_CREDENTIAL_HEADERS = frozenset({"cookie"})
_CREDENTIAL_WORDS = ("authorization", "key", "token", "secret", "password")


def carries_credential(header: str) -> bool:
    """Return whether a header's value is a credential, judged by the header's name."""
    name = header.lower()
    return name in _CREDENTIAL_HEADERS or any(word in name for word in _CREDENTIAL_WORDS)


def _folded_once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spellings.lowered(text.strip()) for text in texts))


def _folded_words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(_folded_once(texts))


@define(eq=False)
class Redactor:
    """Hides known credentials of `MIN_CREDENTIAL_CHARACTERS` and more, wherever they stand as whole tokens.

    Every spelling that `spellings` knows is hidden. A credential that is also one of ``words``, the names in the
    configuration, is not: a log without its names is useless, and a name is no secret.
    """

    _configured: tuple[str, ...] = field(converter=_folded_once)
    words: frozenset[str] = field(default=(), converter=_folded_words)
    _former: tuple[str, ...] = field(default=(), init=False, repr=False)
    _forwarded: dict[str, None] = field(factory=dict, init=False, repr=False)
    _sought: tuple[str, ...] = field(default=(), init=False, repr=False)
    _cached_hide: Callable[[str], str] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Drop the credentials that must not be hidden."""
        self._configured = tuple(each for each in self._configured if self._may_hide(each))
        self._update_sought()

    def renew(self, configured: Iterable[str], words: Iterable[str]) -> None:
        """Switch to the credentials and names of a new configuration; what was hidden so far stays hidden.

        Of the credentials of earlier configurations, the newest `MAX_FORMER_CREDENTIALS` stay.
        """
        self.words = _folded_words(words)
        former = (*self._former, *self._configured)
        new = _folded_once(configured)
        self._configured = tuple(each for each in new if self._may_hide(each))
        kept = [each for each in dict.fromkeys(reversed(former)) if each not in new and self._may_hide(each)]
        self._former = tuple(reversed(kept[:MAX_FORMER_CREDENTIALS]))
        self._update_sought()

    def __call__(self, text: str) -> str:
        """Return ``text`` without credentials."""
        size = len(text)
        if size < MIN_CREDENTIAL_CHARACTERS:
            return text
        return self._cached_hide(text) if size <= MAX_WORD_CHARACTERS else self._hide(text)

    def is_word(self, credential: str) -> bool:
        """Return whether a credential is one of the names in the configuration, or stands in one as a token."""
        folded = spellings.lowered(credential)
        return any(folded in word and any(spellings.spans(word, [folded])) for word in self.words)

    def learn(self, credential: str) -> None:
        """Hide a client's credential too. The `MAX_FORWARDED_CREDENTIALS` latest ones are remembered."""
        if len(credential) < MIN_CREDENTIAL_CHARACTERS:
            return
        folded = spellings.lowered(credential)
        if folded in self._forwarded:
            del self._forwarded[folded]  # to be the last again
            self._forwarded[folded] = None
        elif folded not in self._configured and folded not in self._former and self._may_hide(folded):
            self._forwarded[folded] = None
            if len(self._forwarded) > MAX_FORWARDED_CREDENTIALS:
                del self._forwarded[next(iter(self._forwarded))]
            self._update_sought()

    def _may_hide(self, folded: str) -> bool:
        return len(folded) >= MIN_CREDENTIAL_CHARACTERS and not self.is_word(folded)

    def _update_sought(self) -> None:
        self._sought = (*self._configured, *self._former, *self._forwarded)
        self._cached_hide = lru_cache(MAX_REMEMBERED_WORDS)(self._hide)

    def _hide(self, text: str) -> str:
        if self._sought:
            text = self._hide_known(text)
        # these searches take a tenth of the time of the pattern, and nearly no text contains any of the words
        if "sk-" in text or "earer" in text or "EARER" in text:
            text = _UNMISTAKABLE.sub(self._unless_word, text)
        return text

    def _hide_known(self, text: str) -> str:
        if not spellings.may_be_escaped(text):
            folded = spellings.lowered(text)
            if not any(each in folded for each in self._sought):
                return text
        return _blank_spans(text, spellings.spans(text, self._sought))

    def _unless_word(self, found: re.Match[str]) -> str:
        return found[0] if self.is_word(found[0].split()[-1]) else HIDDEN


def _blank_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the text with `HIDDEN` in place of each span; spans that overlap count as one."""
    parts: list[str] = []
    at = 0
    for start, end in _merge_overlaps(spans):
        parts += (text[at:start], HIDDEN)
        at = end
    return "".join((*parts, text[at:]))


def _merge_overlaps(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begun: tuple[int, int] | None = None
    for start, end in sorted(spans):
        if begun is not None and start < begun[1]:
            begun = (begun[0], max(begun[1], end))
            continue
        if begun is not None:
            yield begun
        begun = (start, end)
    if begun is not None:
        yield begun


def redact(text: str, names: Collection[str] = ()) -> str:
    """Return the text with whatever looks like a credential or an internal address replaced.

    What is a part of one of ``names``, which are known not to be credentials, stays.
    """

    def credential(found: re.Match[str]) -> str:
        scheme, _, looks = found[0].rpartition(" ")
        looks = spellings.lowered(looks.rstrip(".…*-"))
        hidden = not any(looks in spellings.lowered(name) for name in names)
        return f"{scheme} {CREDENTIAL}".lstrip() if hidden else found[0]

    text = _URL.sub(_url, text)
    text = _AUTHORIZATION.sub(credential, text)
    text = _NAMED_SECRET.sub(rf"\1\2{CREDENTIAL}", text)
    text = _KEY.sub(credential, text)
    text = _NAMED_HOST.sub(rf"\1{ADDRESS}", text)
    return _HOST.sub(ADDRESS, text)


def shorten(text: str, most: int) -> str:
    """Return about ``most`` characters of ``text``, not cut inside a word: half a secret would not be recognised."""
    if len(text) <= most:
        return text
    return text[:most].rstrip(_KEY_CHARACTERS).rstrip() + " …"


def _url(found: re.Match[str]) -> str:
    """Return the address of a public documentation page unchanged, and a placeholder for any other."""
    url = found[0].rstrip(".,;:)]}")
    tail = found[0][len(url) :]
    return (url if _PUBLIC_URL.fullmatch(url) else ADDRESS) + tail
