"""``/v1/models`` in Anthropic's shape: entries and pages (docs/messages-api.md 1.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import frozen

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.model_names import strip_mark
from claude_bridge.services.exchange.catalogue import PublishedModel

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 1000

_LAST_TIME: Final = 253_402_300_799
"""The last second of the year 9999. A larger time was given in milliseconds."""

_NUMBER: Final = re.compile(r"[0-9]{1,4}")


@frozen(kw_only=True)
class Page:
    """The part of the list that is requested. A cursor is an entry's plain name; an unknown one gives an empty page."""

    limit: int = DEFAULT_LIMIT
    after_id: str | None = None
    before_id: str | None = None

    @classmethod
    def asked(cls, args: Mapping[bytes, Sequence[bytes]]) -> Page:
        """Return the page that the query asks for; raise `InvalidRequest` for a limit that is not from 1 to 1000."""
        limit = _first(args, b"limit")
        if limit is not None and not (_NUMBER.fullmatch(limit) and 1 <= int(limit) <= MAX_LIMIT):
            raise InvalidRequest(f"limit: Input should be a number from 1 to {MAX_LIMIT}")
        return cls(
            limit=DEFAULT_LIMIT if limit is None else int(limit),
            after_id=_cursor(args, b"after_id"),
            before_id=_cursor(args, b"before_id"),
        )


def render(models: Sequence[PublishedModel], page: Page) -> dict[str, object]:
    """Return one page of the list."""
    names = [strip_mark(model.id) for model in models]
    start, end = 0, len(models)
    if page.after_id is not None:
        start = names.index(page.after_id) + 1 if page.after_id in names else end
    if page.before_id is not None:
        end = names.index(page.before_id) if page.before_id in names else start
    if page.before_id is not None and page.after_id is None:
        chosen = models[max(start, end - page.limit) : end]
        more = end - page.limit > start
    else:
        chosen = models[start : min(end, start + page.limit)]
        more = start + page.limit < end
    return {
        "data": [entry(model) for model in chosen],
        "has_more": more,
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
    }


def entry(model: PublishedModel) -> dict[str, object]:
    """Return one model. An unknown time of creation is given as the epoch, as the API's documentation says."""
    seconds = model.created or 0
    created = datetime.fromtimestamp(seconds if seconds <= _LAST_TIME else 0, UTC)
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
        "capabilities": None,
    }


def _cursor(args: Mapping[bytes, Sequence[bytes]], name: bytes) -> str | None:
    value = _first(args, name)
    return None if value is None else strip_mark(value)


def _first(args: Mapping[bytes, Sequence[bytes]], name: bytes) -> str | None:
    values = args.get(name)
    return values[0].decode("utf-8", "replace") if values else None
