"""Prices in Claude Code's managed settings that are not those that `claude-bridge setup --managed` would write now.

A change of the configuration, and of a backend's price list, reaches the bridge's accounts by itself; Claude Code goes
on with the file that was written once.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from claude_bridge.client.managed_prices import AS_ROOT, PRICING, ROWS, ClientPrices, read_prices
from claude_bridge.client.settings_draft import SetupError
from claude_bridge.core.model_names import plain_name
from claude_bridge.core.nearest_names import name_list

_SHOWN: Final = 3


def outdated_prices(path: Path, file: str | None, now: Callable[[], ClientPrices]) -> str:
    """Return what is wrong with the file that was written, and what to do; "" if nothing is, or none was written.

    :param file: the configuration file; None if there is none.
    :param now: returns the prices of now; called only if there is a file to compare.
    """
    again = _again(file)
    try:
        content = read_prices(path)
    except NotADirectoryError:
        content = None
    except SetupError as error:
        return f"{error}, then {again}"
    except OSError as error:
        return (
            f"{path} cannot be read ({error.strerror}), so Claude Code guesses what models cost: {again}, and restart "
            "Claude Code"
        )
    if content is None:
        return ""
    prices = now()
    if not prices.rows and prices.is_whole:
        return f"{path} has prices, and none is known of any model now: `{AS_ROOT} undo --managed` removes it"
    names = list(dict.fromkeys(_differing(_rows(content), prices)))
    if not names:
        return ""
    return (
        f"{path} has other prices than the configuration and its backends have now (for "
        f"{name_list(names[:_SHOWN], len(names))}): {again}, and restart Claude Code"
    )


def _again(file: str | None) -> str:
    """Return what to do; what the environment alone configures does not go through sudo."""
    if file is None:
        return "run `claude-bridge setup --managed --print`, as root write there what it prints"
    return f"run `{AS_ROOT} setup --managed --config {shlex.quote(str(Path(file).absolute()))}`"


def _rows(content: bytes) -> Mapping[str, Any]:
    """Return the prices in a file; none if it has another shape."""
    pricing = json.JSONDecoder().decode(content.decode())[PRICING]
    rows = pricing.get(ROWS) if isinstance(pricing, dict) else None
    return rows if isinstance(rows, dict) else {}


def _differing(present: Mapping[str, Any], prices: ClientPrices) -> Iterator[str]:
    """Yield the plain names of the models that have other prices now, or none, or had none."""
    wanted = prices.overrides
    yield from (plain_name(name) for name, row in wanted.items() if present.get(name) != row)
    if prices.is_whole:
        yield from (plain_name(name) for name in present if name not in wanted)
