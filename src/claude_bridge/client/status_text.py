"""The text of the status line: what Claude Code says of the session, and what the bridge does, as one line.

Pure, but for the local time. Nothing that anybody sends is taken for granted: what is missing or of another type is
left out. Names are shown without control characters, for a terminal would obey them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

Object = dict[str, object]

MARGIN = 4
"""Columns that the client needs beside the line."""

MAX_NAME = 40
"""Characters of a name."""

NEARLY_FULL = 80
"""Percent of the window from which on it is shown in yellow."""

RED, YELLOW = "31", "33"
_PLAIN = ""

_LEVELS = 8
_ALWAYS = _LEVELS
_MARK = "@claude-bridge"
_FULL = 100
_LATEST = 10**10
"""Unix seconds of the latest moment that is shown, in the year 2286."""


class Look:
    """How the line may look.

    :ivar width: columns of the terminal; None if that is not known.
    :ivar coloured: whether colours may be used.
    """

    def __init__(self, width: int | None = None, coloured: bool = True) -> None:
        self.width, self.coloured = width, coloured


class _Part:
    """A piece of the line.

    :ivar until: the level of brevity at which it goes; level 0 is the whole line.
    :ivar since: the level at which it comes, in the place of a longer one.
    :ivar joined: whether it belongs to the piece before.
    """

    def __init__(self, text: str, until: int, colour: str = _PLAIN, *, since: int = 0, joined: bool = False) -> None:
        self.text, self.until, self.colour, self.since, self.joined = text, until, colour, since, joined


def line(session: Object, figures: Object, trouble: str, look: Look) -> str:
    """Return the line.

    :param session: Claude Code's own description.
    :param figures: the bridge's answer; empty without one.
    :param trouble: why there is none.
    """
    parts = [*_parts(session, figures)]
    if trouble:
        parts.append(_Part(trouble, _ALWAYS, RED))
    width = None if look.width is None else max(look.width - MARGIN, 1)
    shown = parts
    for level in range(_LEVELS):
        shown = [part for part in parts if part.since <= level < part.until]
        if width is None or len(_joined(shown, coloured=False)) <= width:
            return _joined(shown, look.coloured)
    return _joined(shown, coloured=False)[:width]


def has_answers(session: Object) -> bool:
    """Return whether the model has answered in a session, by Claude Code's own description of it."""
    return bool(_object(_object(session.get("context_window")).get("current_usage")))


def _joined(parts: list[_Part], coloured: bool) -> str:
    text = ""
    for part in parts:
        piece = f"\x1b[{part.colour}m{part.text}\x1b[0m" if coloured and part.colour else part.text
        text += (" " if part.joined else "  ") * bool(text) + piece
    return text


def _parts(session: Object, figures: Object) -> Iterator[_Part]:
    """Yield the pieces in their order."""
    yield from _model(session, figures)
    if figures:
        yield from _costs(figures)
    yield from _context(session, figures)
    yield from _budget(figures)
    state = _name(figures.get("breaker"))
    if state and state != "closed":
        yield _Part(f"backend {state}", _ALWAYS, RED)


def _model(session: Object, figures: Object) -> Iterator[_Part]:
    told = _object(session.get("model"))
    own = _name(told.get("display_name")) or _name(told.get("id"))
    model = _name(figures.get("model")) or own.removesuffix(_MARK)
    if model:
        yield _Part(model, _ALWAYS)
    backend = _name(figures.get("backend"))
    if backend:
        yield _Part(f"-> {backend}", 5, joined=bool(model))


def _costs(figures: Object) -> Iterator[_Part]:
    yield _Part(_cost([figures]), 6)
    agents = _objects(figures.get("agents"))
    if agents:
        yield _Part(f"(agents {_cost(agents)})", 1, joined=True)


def _cost(spenders: list[Object]) -> str:
    """Return the sum of what some spenders have cost, with a + where requests without a price come on top."""
    costs = [_number(each.get("cost_usd")) for each in spenders]
    known = sum(cost for cost in costs if cost is not None)
    more = None in costs or any(_number(each.get("unpriced")) for each in spenders)
    if more and not known:
        return "$?"
    return _dollars(known) + "+" * more


def _context(session: Object, figures: Object) -> Iterator[_Part]:
    """Yield how full the model's window is, and how much of the prompt came out of the backend's cache."""
    told = _object(session.get("context_window"))
    usage = _object(told.get("current_usage"))
    read = _number(usage.get("cache_read_input_tokens")) or 0
    own = (_number(usage.get("input_tokens")) or 0) + (_number(usage.get("cache_creation_input_tokens")) or 0) + read
    tokens, cached = _number(figures.get("context")), _number(figures.get("cached"))
    if tokens is None:
        tokens, cached = own, read / own if own else None
    window = _number(figures.get("window")) or _number(told.get("context_window_size"))
    if window:
        percent = round(_FULL * tokens / window)
        colour = YELLOW if percent >= NEARLY_FULL else _PLAIN
        yield _Part(f"ctx {_count(tokens)}/{_count(window)} {percent}%", 3, colour)
        yield _Part(f"ctx {percent}%", 7, colour, since=3)
    elif tokens:
        yield _Part(f"ctx {_count(tokens)}", 7)
    if cached is not None:
        yield _Part(f"cache {min(round(_FULL * cached), _FULL)}%", 2)


def _budget(figures: Object) -> Iterator[_Part]:
    """Yield one budget: a spent one that refuses, else a spent one that leads to a route, else the fullest."""
    first: tuple[int, float, Object] | None = None
    for budget in _objects(figures.get("budgets")):
        spent, limit = _number(budget.get("spent")), _number(budget.get("limit"))
        if spent is not None and limit is not None and _name(budget.get("name")):
            share = spent / limit if limit else 1.0
            rank = 0 if share < 1 else 1 if _name(budget.get("route")) else 2
            if first is None or (rank, share) > first[:2]:
                first = (rank, share, budget)
    if first is not None:
        rank, share, budget = first
        route = _name(budget.get("route"))
        percent = f"{_percent(share)}%"
        told = (percent, f"spent, route {route}", f"spent{_until(budget)}")[rank]
        colour = RED if rank > 1 else YELLOW if rank or budget.get("warn") is True else _PLAIN
        yield _Part(f"budget {_name(budget.get('name'))} {told}", _ALWAYS if colour else 4, colour)


def _percent(share: float) -> int:
    """Return a part in percent, rounded down as `claude-bridge usage budgets` does; 100 is spent and nothing else."""
    return min(int(round(_FULL * share, 9)), _FULL - 1)


def _until(budget: Object) -> str:
    """Return when a budget that is spent starts again, in local time with its zone; "" if it does not."""
    seconds = _number(budget.get("resets_at"))
    if not seconds or seconds > _LATEST:
        return ""
    local = time.localtime(seconds)
    return f" until {_name(time.strftime('%d %b %H:%M %Z', local))}"


def _dollars(amount: float) -> str:
    if amount >= 0.01 or not amount:  # noqa: PLR2004 - a cent
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.0001 else "<$0.0001"  # noqa: PLR2004 - a hundredth of one


def _count(tokens: float) -> str:
    """Return a number of tokens as people write it: 900, 36k, 1M."""
    if tokens >= 1_000_000:  # noqa: PLR2004 - a million
        return f"{tokens / 1_000_000:.1f}M".replace(".0M", "M")
    return f"{int(tokens // 1000)}k" if tokens >= 1000 else str(int(tokens))  # noqa: PLR2004 - a thousand


def _number(value: object) -> float | None:
    """Return a number that can be shown, else None; a large whole one is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < 1e18 else None  # noqa: PLR2004 - NaN and infinity are not in it


def _name(value: object) -> str:
    """Return a text for a terminal, "" for what is none."""
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value[: 4 * MAX_NAME] if character.isprintable())[:MAX_NAME].strip()


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
