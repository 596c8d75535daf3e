"""Check 21: whether the service of systemd runs, with this configuration and its credentials; where there is one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from claude_bridge.doctor.finding import Finding, Level

UNIT: Final = "claude-bridge.service"
SECONDS: Final = 5.0
_PROPERTIES: Final = "LoadState,ActiveState,SubState,Result,LoadCredential"

Modified = Callable[[str], float | None]
"""Returns when a file was changed, in Unix seconds; None if that is not known."""


def properties(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what systemd says of the service; nothing where it is not installed, or there is no systemd."""
    command = ["systemctl", "show", UNIT, f"--property={_PROPERTIES}"]
    try:
        done = subprocess.run(  # noqa: S603 - words of our own
            command,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=dict(environ),
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    told = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return told if told.get("LoadState") == "loaded" else {}


def modified(path: str) -> float | None:
    """Return when a file was changed, in Unix seconds; None if that is not known."""
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return None


def findings(
    unit: Mapping[str, str], file: str | None, since: float | None, modified: Modified = modified
) -> Iterator[Finding]:
    """Yield what is right and wrong with the service and with the bridge that runs; nothing if there is neither.

    :param file: the configuration file; None if there is none.
    :param since: when a running bridge read it, in Unix seconds; None if none runs here.
    """
    changed = None if file is None else modified(file)
    if changed is not None and since is not None and changed > since:
        yield _found("warning", f"{file} has changed since the running bridge read it: claude-bridge reload")
    if not unit:
        return
    state = unit.get("ActiveState", "")
    if state == "failed":
        why = unit.get("Result", "")
        yield _found("fault", f"{UNIT} has failed ({why}): journalctl -u {UNIT} -n 20 says why")
    elif state != "active":
        yield _found("ok", f"{UNIT} is installed but does not run ({state}): systemctl start {UNIT}")
    else:
        yield _found("ok", f"{UNIT} runs")
    yield from _credentials(unit, modified)


def _credentials(unit: Mapping[str, str], modified: Modified) -> Iterator[Finding]:
    for entry in unit.get("LoadCredential", "").split():
        name, _, path = entry.partition(":")
        if path.startswith("/") and modified(path) is None and os.access(Path(path).parent, os.X_OK):
            yield _found("fault", f"{UNIT} loads the credential {name} from {path}, which is not there")


def _found(level: Level, sentence: str) -> Finding:
    return Finding(number=21, check="service", level=level, sentence=sentence)
