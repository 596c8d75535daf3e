"""Counts prompts by the backends' own tokenizers, with the same request that would be sent (docs/design.md 11)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import Prepared, TokenizerEndpoint
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.events import MAX_TOKEN_COUNT
from claude_bridge.services.fetch import Fetcher, Response
from claude_bridge.services.interfaces import TokenCount, UpstreamClient

SECONDS: Final = 3.0
"""How long a count may take: a tokenizer reads 1 MB a second or more, and the client waits."""

MEMORY_SECONDS: Final = 600.0
"""How long a backend without a tokenizer is not asked again: it may be replaced by one that has one."""

MAX_ABSENT: Final = 1000
"""Models remembered for having no tokenizer, the oldest dropped first: model names may come from clients."""

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""Bytes of a response: vLLM and SGLang always add the list of tokens, up to eight bytes for each of a million."""

ABSENT: Final = frozenset({404, 405, 501})
"""Statuses that say that there is no tokenizer, or none for this model: vLLM and SGLang answer 404 for a model that
they do not know, which says nothing about the others. A 400 may be the prompt's fault, a 503 is temporary."""


@define(init=False)
class RemoteTokenizers:
    """Implements `claude_bridge.services.interfaces.RemoteTokenizer`."""

    _fetcher: Fetcher
    _clock: IReactorTime
    # backend, path, model -> when to ask again
    _absent: BoundedMap[tuple[str, str, bytes], float] = field(factory=lambda: BoundedMap(MAX_ABSENT))

    def __init__(self, client: UpstreamClient, clock: IReactorTime) -> None:
        fetcher = Fetcher(client=client, clock=clock, seconds=SECONDS, max_bytes=MAX_BODY_BYTES)
        self.__attrs_init__(fetcher, clock)

    async def count(
        self,
        backend: Backend,
        tokenizer: TokenizerEndpoint,
        credential: Secret | None,
        prepared: Prepared,
        *,
        forwarded: bool = False,
    ) -> TokenCount | None:
        """Return the length of a request's prompt; None if the backend cannot count it."""
        fields = strict_json.decode_fields(prepared.body)
        place = (backend.name, tokenizer.path, bytes(fields.get("model", b"")))
        if self._clock.seconds() < (self._absent.peek(place) or 0.0):
            return None
        body = prepared.body if tokenizer.fields is None else _tokenizer_request(fields, tokenizer.fields)
        response = await self._fetcher.fetch(
            backend,
            credential,
            tokenizer.path,
            body,
            headers=prepared.headers if tokenizer.fields is None else (),
            key_header=prepared.client_key_header if forwarded else "",
        )
        if response.status in ABSENT:
            self._note_absent(place)
        return _read(response, tokenizer)

    def _note_absent(self, place: tuple[str, str, bytes]) -> None:
        """Remember that there is no tokenizer."""
        self._absent.put(place, self._clock.seconds() + MEMORY_SECONDS)


def _tokenizer_request(given: Mapping[str, strict_json.Raw], accepted: Collection[str]) -> bytes:
    """Return the fields of a chat request that the tokenizer takes."""
    return strict_json.encode({name: given[name] for name in accepted if name in given})


def _read(response: Response, tokenizer: TokenizerEndpoint) -> TokenCount | None:
    if not response.good:
        return None
    try:
        fields = strict_json.decode_fields(response.body)
        tokens = _number(fields, tokenizer.key)
        window = _number(fields, tokenizer.window) if tokenizer.window else None
    except strict_json.JsonError:
        return None
    return TokenCount(tokens=tokens, window=window or None) if tokens is not None else None


def _number(fields: dict[str, strict_json.Raw], name: str) -> int | None:
    """Return a field that is a plausible number of tokens; None for anything else, such as a list."""
    raw = fields.get(name)
    if raw is None or len(raw) > len(str(MAX_TOKEN_COUNT)):
        return None
    value = strict_json.decode(raw)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKEN_COUNT:
        return None
    return value
