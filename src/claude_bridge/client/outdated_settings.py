"""Settings of Claude Code that lead to the bridge, and say something else than `claude-bridge setup` would write now.

A change of the configuration reaches the bridge with the next reload; models, windows and answers that Claude Code was
told stand in its settings until `setup` writes them again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from claude_bridge.client import receipt
from claude_bridge.client.environment import FAMILIES, LONGEST, TOKEN, WINDOW, bridge_url
from claude_bridge.client.http_probe import look
from claude_bridge.client.offer import Offer, has_meaning, is_of, of_bridge, of_configuration
from claude_bridge.client.offered_models import Limits
from claude_bridge.client.receipt import ChangedMember, DamagedReceipt, Receipt
from claude_bridge.client.settings_draft import SetupError, place, read_draft
from claude_bridge.client.settings_text import InvalidSettings, value_at
from claude_bridge.config.schema import Config
from claude_bridge.core.model_names import AUTO, plain_name

COMPARED: Final = (
    "ANTHROPIC_MODEL",
    WINDOW,
    LONGEST,
    *(f"ANTHROPIC_DEFAULT_{family.upper()}_MODEL" for family in FAMILIES),
)
"""The variables that follow from models, routes and windows, those that matter most first."""

ENV: Final = "env"
_SHOWN: Final = 3


@frozen
class Difference:
    """A variable that is not what it would be now.

    :ivar present: its value; None if it is not set.
    :ivar wanted: what `setup` would write.
    """

    name: str
    present: str | None
    wanted: str

    def __str__(self) -> str:
        """Return both values, models under their plain names."""
        present = "not set" if self.present is None else plain_name(self.present)
        return f"{self.name} is {present}, should be {plain_name(self.wanted)}"


@frozen
class OutdatedSettings:
    """A settings file that an earlier configuration has made.

    :ivar command: what brings it up to date.
    """

    file: Path
    differences: tuple[Difference, ...]
    command: str

    def __str__(self) -> str:
        """Return what is wrong and what to do, for people."""
        shown = [str(each) for each in self.differences[:_SHOWN]]
        more = len(self.differences) - len(shown)
        shown += [f"and {more} more"] if more else []
        return (
            f"{self.file} comes from an earlier configuration ({'; '.join(shown)}): run `{self.command}` again, and "
            "restart Claude Code"
        )


def setup_again(*words: str, project: bool) -> str:
    """Return the command that writes the settings again; ``words``: a model, or more options."""
    return shlex.join(["claude-bridge", "setup", *(["--project"] if project else []), *words])


def has_receipt(environ: Mapping[str, str], folder: Path) -> bool:
    """Return whether `setup` has written settings, the user's or those of the project in ``folder``, that stand yet."""
    for project in (True, False):
        with suppress(SetupError, OSError, DamagedReceipt):
            if receipt.load(place(environ, folder, project=project).receipt) is not None:
                return True
    return False


def outdated_settings(
    config: Config, url: str, limits: Limits, environ: Mapping[str, str], folder: Path, file: str | None = None
) -> Iterator[OutdatedSettings]:
    """Yield the settings, the user's and those of the project in ``folder``, that `setup` would change now.

    What somebody has changed by hand after `setup` is theirs. A file that cannot be read is left out.

    :param limits: returns what is known of a model of the configuration.
    :param file: the configuration file, if the command line names it.
    """
    for project in (True, False):
        try:
            where = place(environ, folder, project=project)
            text, kept = read_draft(where.settings).text, receipt.load(where.receipt)
            env = value_at(text, (ENV,))
        except (SetupError, InvalidSettings, OSError, DamagedReceipt):
            continue
        if not isinstance(env, dict) or not _leads_to(env.get("ANTHROPIC_BASE_URL"), url):
            continue
        chosen = None if kept is None or kept.chosen is None else _if_there(kept.chosen, config)
        wanted = _offer(config, url, limits, env.get(TOKEN), chosen).variables
        differences = tuple(_differences(env, wanted, kept))
        if differences:
            words = [*([] if chosen is None else [chosen]), *([] if file is None else ["--config", file])]
            yield OutdatedSettings(where.settings, differences, setup_again(*words, project=project))


def _if_there(model: str, config: Config) -> str | None:
    """Return the name of a model, None if no model or route is for it any more."""
    return model if model == AUTO or has_meaning(config, model) else None


def _leads_to(value: object, url: str) -> bool:
    return isinstance(value, str) and bridge_url(value.strip()) == bridge_url(url)


def _offer(config: Config, url: str, limits: Limits, token: object, main: str | None) -> Offer:
    """Return what the bridge offers: as it says itself if it runs with this configuration, else by the file alone."""
    published = look(url, token if isinstance(token, str) and token else None).models
    if published and is_of(config, published):
        return of_bridge(url, published, config, main)
    return of_configuration(config, url, limits, main)


def _differences(env: Mapping[str, Any], wanted: Mapping[str, str], kept: Receipt | None) -> Iterator[Difference]:
    """Yield the variables that `setup` would change, but for those that are somebody's own."""
    for name in COMPARED:
        present, value = env.get(name), wanted.get(name)
        if value is None or (isinstance(present, str) and plain_name(present) == plain_name(value)):
            continue
        if kept is None or not _is_own(present, kept.member((ENV, name))):
            yield Difference(name, None if present is None else str(present), value)


def _is_own(present: object, member: ChangedMember | None) -> bool:
    """Return whether a value is not of `setup`'s making: set without it, or changed since."""
    return present is not None if member is None else not member.is_ours(present)
