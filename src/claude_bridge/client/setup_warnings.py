"""What else Claude Code reads, and what of it is in the way of a set-up that was just written."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from claude_bridge.client.environment import TOKEN, UNUSED
from claude_bridge.client.settings_files import MANAGED, SetHere, find_variables
from claude_bridge.client.setup import PLACEHOLDER, Setup
from claude_bridge.core.model_names import MARK, TIERS

ADDRESS: Final = "ANTHROPIC_BASE_URL"

OTHER_PROVIDERS: Final = tuple(
    f"CLAUDE_CODE_USE_{name}"
    for name in ("BEDROCK", "VERTEX", "FOUNDRY", "MANTLE", "ANTHROPIC_AWS", "ANTHROPIC_GOOGLE_CLOUD")
)
"""Variables with which Claude Code asks a cloud's own API, whatever its address is."""

MODELS: Final = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
    *(f"ANTHROPIC_DEFAULT_{tier.upper()}_MODEL" for tier in TIERS),
)
"""Variables that name a model."""

_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
_OFF: Final = frozenset({"", "0", "false", "no", "off"})
_GIT_SECONDS: Final = 5.0
_NOT_IGNORED: Final = 1


@frozen
class Hindrances:
    """What is in the way.

    :ivar address: the place that gives Claude Code another address in this folder, or None.
    :ivar warnings: sentences, for that and everything else.
    """

    address: SetHere | None
    warnings: tuple[str, ...]


def hindrances(setup: Setup, environ: Mapping[str, str], folder: Path, managed: str = MANAGED) -> Hindrances:
    """Return what is in the way of a Claude Code that is started in ``folder`` with ``environ``."""
    where, names = setup.where, [setting.name for setting in setup.settings if setting.ready]
    found = find_variables([*names, *OTHER_PROVIDERS, *MODELS], environ, folder, managed)
    written = {
        name: place.value
        for name in names
        for place in found.places.get(name, ())
        if place.file.path == str(where.settings)
    }
    stronger = {name: found.stronger(name, where.scope) for name in names}
    beaten = {
        name: place for name, place in stronger.items() if place is not None and place.value != written.get(name, "")
    }

    def told() -> Iterator[str]:
        yield from (f"{place.file} sets {place.key}, which wins over {where.settings}" for place in beaten.values())
        for name in OTHER_PROVIDERS:
            place = found.winner(name)
            if place is not None and place.value.lower() not in _OFF:
                yield f"{place.file} sets {place.key}: Claude Code then asks that cloud, and no other address"
        for name in MODELS:
            place = found.winner(name)
            if name not in names and place is not None and MARK not in place.value:
                yield f"{place.file} still sets {place.key} to {place.value}: Claude Code asks the bridge for it"
        yield from found.problems
        if _is_key(written.get(TOKEN, "")) and _is_read_by_others(where.settings):
            yield f"{where.settings} has the bridge's key, and others on this machine can read it: chmod 600 it"
        if where.scope != "user" and _is_seen_by_git(where.settings):
            yield f"git does not ignore {where.settings}, which may hold a token: add it to .gitignore"

    return Hindrances(beaten.get(ADDRESS), tuple(told()))


def _is_key(token: str) -> bool:
    return token not in {"", UNUSED} and not token.startswith(PLACEHOLDER)


def _is_read_by_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def _is_seen_by_git(path: Path) -> bool:
    """Return whether a file is in a git repository that would take it; False where that cannot be found out."""
    git = shutil.which("git")
    if git is None:
        return False
    command = [git, "-C", str(path.parent), "check-ignore", "--quiet", path.name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603 - git alone
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == _NOT_IGNORED
