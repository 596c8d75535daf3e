"""What the ledger keeps of one request and its attempts: plain values, ready for the database."""

from __future__ import annotations

from typing import Final, NamedTuple

LATENCY_BOUNDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0)
"""Seconds: the upper bounds of the buckets for the time to the first word; the last bucket has no bound."""

MAX_TOKENS: Final = 10**10
"""Tokens of one attempt; a backend that says more is wrong, and sums of such numbers would not fit."""

MAX_COST: Final = 10**15
"""Pico-dollars of one attempt, a thousand dollars; likewise."""

MAX_TEXT: Final = 128
"""Characters that are kept of a name."""

ANSWERED: Final = ("ok", "client_left")
"""The outcomes of attempts whose tokens tell how long a conversation is: the last was answered, or broken off."""

SEVERAL_OWNERS: Final = "*"
"""The owner of a session that several have used, and of one whose owner nobody knows."""

AUXILIARY: Final = "auxiliary"
"""The kind of the requests that the client makes for itself, such as for a title: they belong to no conversation."""


class Attempt(NamedTuple):
    """One attempt. Times are Unix milliseconds, lengths milliseconds, the cost pico-dollars; None is not known."""

    backend: str
    model: str
    credential: str
    started: int
    milliseconds: int
    first_token: int | None
    status: int | None
    outcome: str
    input: int | None
    cache_read: int | None
    cache_write: int | None
    output: int | None
    thinking: int | None
    estimated: bool
    cost: int | None
    price_from: str


class Entry(NamedTuple):
    """One request; units as in `Attempt`.

    ``key`` is the client's key, ``agent`` is "" for the main conversation, ``owner`` is whose the session is.
    """

    request_id: str
    key: str
    session: str
    agent: str
    agent_type: str
    parent: str
    kind: str
    model: str
    route: str
    started: int
    milliseconds: int
    first_byte: int | None
    status: int
    outcome: str
    attempts: tuple[Attempt, ...]
    owner: str = ""


class LastAnswer(NamedTuple):
    """What answered a conversation last.

    ``prompt`` are the tokens of the whole prompt, ``cached`` those of them that were read from a cache, ``answer``
    those of the answer.
    """

    backend: str
    model: str
    prompt: int
    cached: int
    answer: int


class PastAgent(NamedTuple):
    """What the ledger has of the main conversation (``agent`` is "") or of a subagent.

    ``agent`` is None for all those together that were not used for longest, where there are too many. ``sums`` are as
    in `sql.SUMS`.
    """

    agent: str | None
    type: str
    parent: str
    sums: tuple[int, ...]
    last: LastAnswer | None
