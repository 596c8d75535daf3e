"""The prices of the bridge's models for Claude Code, which reads them from managed settings alone.

With them its own figures (`/cost`, ``total_cost_usd``, ``--max-budget-usd``) are what the bridge's accounts say;
without, it takes every model for one of Anthropic's. They are a file of their own beside those of the organization,
so taking them back is removing it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from claude_bridge.client import staged_file
from claude_bridge.client.environment import settings, variables
from claude_bridge.client.offered_models import configured
from claude_bridge.client.settings_draft import SetupError
from claude_bridge.client.setup_command import Report
from claude_bridge.config.claude_settings import MANAGED
from claude_bridge.config.named_models import conversation_models
from claude_bridge.config.schema import Config
from claude_bridge.core.model_names import MARK, is_clients_own, plain_name
from claude_bridge.core.nearest_names import name_list
from claude_bridge.core.prices import Price, a_million

FOLDER: Final = "managed-settings.d"
FILE: Final = "50-claude-bridge.json"

PRICING: Final = "modelPricing"
ROWS: Final = "overrides"

UNDO: Final = "claude-bridge undo --managed"

AS_ROOT: Final = 'sudo "$(command -v claude-bridge)"'
"""How a shell runs the command as root: sudo has a PATH of its own, in which no virtual environment is."""

_EVERYBODY_READS: Final = 0o644
_EVERYBODY_ENTERS: Final = 0o755
_SHOWN: Final = 8

PriceOf = Callable[[str, str], Price | None]
"""Returns the price of a backend's model by its own name; None if it is not known."""


def _never(_backend: str, _name: str) -> bool:
    return False


@frozen
class ClientPrices:
    """What Claude Code is to be told.

    :ivar rows: prices by the plain names under which it asks for models.
    :ivar notes: what it cannot be told, for the user.
    :ivar is_whole: whether every backend's list of prices arrived; else there may be more prices.
    """

    rows: Mapping[str, Price]
    notes: tuple[str, ...]
    is_whole: bool = True

    @property
    def overrides(self) -> Mapping[str, Mapping[str, float]]:
        """The prices by the client's ids. A name that it has by itself is there as the bridge's id alone."""
        return {spelled: _row(price) for name, price in self.rows.items() for spelled in _ids(name)}

    @property
    def content(self) -> str:
        """The file."""
        return json.dumps({PRICING: {ROWS: self.overrides}}, indent=2, ensure_ascii=False) + "\n"


def client_prices(
    config: Config, price_of: PriceOf, more: Iterable[str] = (), *, says_cost: Callable[[str, str], bool] = _never
) -> ClientPrices:
    """Return the prices for the names that a configuration has for models.

    :param more: other names, such as ``backend/model``.
    :param says_cost: returns whether the accounts have what a model's answers say that they cost.
    """
    rows: dict[str, Price] = {}
    unknown, several, saying = [], [], []
    for name in _names(config, more):
        models = conversation_models(config, name, lambda model: model.context_window)
        prices = {price_of(model.backend, model.name) for model in models}
        if len(prices) > 1:
            several.append(name)
            continue
        price = next(iter(prices), None)
        if price is None:
            unknown.append(name)
        else:
            rows[name] = price
            if any(says_cost(model.backend, model.name) for model in models):
                saying.append(name)
    return ClientPrices(rows, (*_notes(unknown, several, saying), *_limits(rows)))


def managed_file(folder: str = MANAGED) -> Path:
    """Return the path of the file; ``folder`` is that of the managed settings."""
    return Path(folder, FOLDER, FILE)


def print_prices(prices: ClientPrices, path: Path, source: str) -> Report:
    """Return the file as what is printed, and where it belongs; ``source`` says where the prices come from."""
    if not prices.rows:
        return _no_price(prices, source)
    return Report(shown=prices.content, warnings=prices.notes, hint=f"this belongs in {path}; nothing was written")


def write_prices(prices: ClientPrices, path: Path, source: str) -> Report:
    """Write the file, and say so; ``source`` says where the prices come from."""
    if not prices.rows:
        return _no_price(prices, source)
    try:
        changed = _replace(path, prices.content.encode())
    except SetupError as error:
        return Report(error=str(error))
    except OSError as error:
        return Report(
            error=f"{path}: {error.strerror}; this needs root: {AS_ROOT} setup --managed --config FILE, or "
            "write there what `claude-bridge setup --managed --print` prints; nothing was changed"
        )
    lines = [
        f"{path}: {'written' if changed else 'nothing to change'}, with the prices of {source}",
        f"Claude Code reckons with them from its next start on; `{UNDO}` takes them back",
    ]
    return Report(shown="".join(f"{line}\n" for line in lines), warnings=prices.notes)


def _no_price(prices: ClientPrices, source: str) -> Report:
    return Report(
        error=f"no price is known for any model of {source}: give them in [price:NAME] sections, or install "
        "genai-prices; nothing was changed",
        warnings=prices.notes,
    )


def remove_prices(path: Path) -> Report:
    """Remove the file, with the folders that are empty then, and say so."""
    try:
        if read_prices(path) is None:
            return Report(shown=f"nothing to undo: there is no {path}\n")
        path.unlink()
    except SetupError as error:
        return Report(error=str(error))
    except OSError as error:
        return Report(error=f"{path}: {error.strerror}; this needs root: {AS_ROOT} undo --managed; nothing was changed")
    for folder in (path.parent, path.parent.parent):
        with contextlib.suppress(OSError):  # others have files there
            folder.rmdir()
    return Report(shown=f"removed {path}\n")


def _replace(path: Path, content: bytes) -> bool:
    """Write the file where it is not that already, and return whether it was not. Raises `OSError`, `SetupError`."""
    if read_prices(path) == content and stat.S_IMODE(path.stat().st_mode) == _EVERYBODY_READS:
        return False
    for folder in staged_file.make_folders(path.parent):
        folder.chmod(_EVERYBODY_ENTERS)
    staged = staged_file.stage(path, content)
    try:
        os.chmod(staged.new, _EVERYBODY_READS)  # noqa: PTH101 - a file that everybody's Claude Code reads
        staged.commit()
    except BaseException:
        staged.discard()
        raise
    return True


def read_prices(path: Path) -> bytes | None:
    """Return the content of the file, None if there is none.

    Raises `OSError`, and `SetupError` if somebody has put more into it.
    """
    content = staged_file.read(path)
    if content is None:
        return None
    try:
        found: Any = json.JSONDecoder().decode(content.decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.keys() != {PRICING}:
        raise SetupError(f"{path} has something else than `setup --managed` writes: move that to another file first")
    return content


def _names(config: Config, more: Iterable[str]) -> Iterator[str]:
    """Yield the plain names under which Claude Code may ask for models, each once."""
    told = variables(settings(config, ""))
    families = (plain_name(value) for name, value in told.items() if name.endswith("_MODEL"))
    names = dict.fromkeys((*(model.name for model in configured(config)), *families, *more))
    yield from names


def _ids(name: str) -> tuple[str, ...]:
    """Return the ids with which the client asks for a model: as published, and as people type it."""
    return (f"{name}{MARK}",) if is_clients_own(name) else (f"{name}{MARK}", name)


def _row(price: Price) -> dict[str, float]:
    """Return the prices as the client has them, in dollars per million tokens, all four."""
    rates = price.rates(0)
    return {
        "input": float(a_million(rates.input)),
        "output": float(a_million(rates.output)),
        "cacheRead": float(a_million(rates.cache_read)),
        "cacheWrite": float(a_million(rates.cache_write)),
    }


def _notes(unknown: list[str], several: list[str], saying: list[str]) -> Iterator[str]:
    guesses = "Claude Code still guesses what it costs"
    if unknown:
        yield f"no price is known for {name_list(unknown[:_SHOWN], len(unknown))}: {guesses}"
    if several:
        names = name_list(several[:_SHOWN], len(several))
        yield f"{names} may lead to models whose prices differ: {guesses}; the bridge's accounts have the cost"
    if saying:
        names = name_list(saying[:_SHOWN], len(saying))
        yield f"{names}: the bridge's accounts have what each answer says it cost, Claude Code only these prices"


def _limits(rows: Mapping[str, Price]) -> Iterator[str]:
    """Yield what the client's prices cannot say."""
    tiers = [name for name, price in rows.items() if price.tiers]
    if tiers:
        yield f"{name_list(tiers[:_SHOWN], len(tiers))}: Claude Code knows no other prices for long prompts"
    apart = [name for name, price in rows.items() if price.rates(0).reasoning != price.rates(0).output]
    if apart:
        yield f"{name_list(apart[:_SHOWN], len(apart))}: Claude Code knows no price for reasoning apart from the output"
