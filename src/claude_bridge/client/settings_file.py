"""The one settings file that Claude Code is started with: what is in it, and where it is while the client runs.

``claude --settings`` beats what any other tool has left in the user's files, and leaves them as they are.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.environment import FAMILIES, RIVAL, UNUSED, permissions, picker
from claude_bridge.client.offer import Offer
from claude_bridge.client.status_setting import STATUS_LINE
from claude_bridge.config.secret import HIDDEN
from claude_bridge.core.model_names import plain_name

OPTION: Final = "--settings"

PREFIX: Final = "launch-"
"""How the name of a folder begins; the process and something random follow."""

ELSEWHERE: Final = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""Variables of other set-ups that would lead requests elsewhere."""

NAMING: Final = ("ANTHROPIC_SMALL_FAST_MODEL", "CLAUDE_CODE_SUBAGENT_MODEL")
"""Variables that name a model, which may be one of another set-up."""

_WHOLE: Final = ("modelPicker", STATUS_LINE)
"""Members that are not mixed with the user's."""

_SECRET_WORDS: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD", "HEADERS")


def without_settings(arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the client's arguments without ``--settings``, and what that gave: a file's content, or JSON itself.

    Raises `ExpectedFailure` for what is no settings file.
    """
    rest: list[str] = []
    given: str | None = None
    left = iter(arguments)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word == OPTION:
            given = next(left, "")
        elif word.startswith(f"{OPTION}="):
            given = word.partition("=")[2]
        else:
            rest.append(word)
    return rest, {} if given is None else _decoded(given)


def _decoded(given: str) -> dict[str, Any]:
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8-sig")
        found = json.JSONDecoder().decode(text.strip())
    except OSError as error:
        raise ExpectedFailure(f"{OPTION}: cannot read {given}: {error.strerror}") from None
    except ValueError as error:
        raise ExpectedFailure(f"{OPTION}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ExpectedFailure(f"{OPTION}: must be a JSON object")
    return found


def own_settings(environ: Mapping[str, str], project: Path, *, local: bool = True) -> list[dict[str, Any]]:
    """Return the settings that the client reads anyway: the user's, and those of a project, the strongest last.

    :param local: whether the project's local ones, which are the strongest, are among them.
    """
    home = environ.get("CLAUDE_CONFIG_DIR") or str(Path(environ.get("HOME", "/"), ".claude"))
    places = [Path(home, "settings.json"), project / ".claude" / "settings.json"]
    places += [project / ".claude" / "settings.local.json"] if local else []
    found = []
    for place in places:
        with suppress(OSError, ValueError):
            decoded = json.JSONDecoder().decode(place.read_text(encoding="utf-8-sig").strip())
            if isinstance(decoded, dict):
                found.append(decoded)
    return found


def permission_mode(given: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the permission mode that the last of some settings says, if any does."""
    modes = [_part(each, "permissions").get("defaultMode") for each in given]
    return next((mode for mode in reversed(modes) if isinstance(mode, str)), None)


def launch_settings(
    offer: Offer,
    theirs: Mapping[str, Any],
    own: Sequence[Mapping[str, Any]],
    environ: Mapping[str, str],
    status_line: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of the file.

    :param theirs: settings that the user names for this start; what is in both is as the bridge needs it.
    :param own: settings that the client reads anyway.
    :param status_line: None: none of ours.
    """
    stale = dict.fromkeys(_stale(offer, [environ, *(_part(each, "env") for each in (*own, theirs))]), "")
    ours: dict[str, Any] = {
        "env": {RIVAL: "", **stale, **offer.variables},
        "permissions": permissions(permission_mode([*own, theirs])),
        "modelPicker": picker(offer.models),
        **({} if status_line is None else {STATUS_LINE: dict(status_line)}),
    }
    return merged(theirs, ours)


def _stale(offer: Offer, environments: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the variables of another set-up that have to be emptied."""
    yield from (name for name in ELSEWHERE if any(each.get(name) for each in environments))
    usable = {"", "inherit", *FAMILIES, *(model.name for model in offer.models)}
    for name in NAMING:
        if any(plain_name(str(each.get(name) or "")) not in usable for each in environments):
            yield name


def merged(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return both together; where both say something, it is ours, member by member."""
    result = dict(theirs)
    for name, value in ours.items():
        before = result.get(name)
        both = isinstance(before, dict) and isinstance(value, dict) and name not in _WHOLE
        result[name] = merged(before, value) if both and isinstance(before, dict) else value
    return result


def shown(settings: Mapping[str, Any]) -> str:
    """Return settings as text, secrets hidden."""
    variables = {name: HIDDEN if _is_secret(name, value) else value for name, value in _part(settings, "env").items()}
    return json.dumps({**settings, "env": variables}, indent=2)


def _is_secret(name: str, value: object) -> bool:
    text = str(value)
    return any(word in name.upper() for word in _SECRET_WORDS) and not (text in {"", UNUSED} or text.isdecimal())


def _part(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = settings.get(name)
    return found if isinstance(found, dict) else {}


@contextmanager
def private_folder(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield a new folder that only this user can look into, in ``$XDG_RUNTIME_DIR`` if that is usable.

    It is removed in the end, and what a process that was killed has left is removed now. Raises `ExpectedFailure`.
    """
    lasting = _runtime_folder(environ)
    if lasting is not None:
        _sweep(lasting)
    place, prefix = (lasting, "") if lasting is not None else (environ.get("TMPDIR") or None, "claude-bridge-")
    try:
        made = tempfile.TemporaryDirectory(
            prefix=f"{prefix}{PREFIX}{os.getpid()}-", dir=place, ignore_cleanup_errors=True
        )
    except OSError as error:
        raise ExpectedFailure(f"no folder for the settings file: {error}") from None
    with made as path:
        yield Path(path)


def _runtime_folder(environ: Mapping[str, str]) -> Path | None:
    """Return our folder in ``$XDG_RUNTIME_DIR``, made if need be; None if there is none that is this user's."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime, "claude-bridge")
    if not runtime.startswith("/"):
        return None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        usable = folder.lstat().st_uid == os.getuid() and not folder.is_symlink() and os.access(folder, os.W_OK)
    except OSError:
        return None
    return folder if usable else None


def write_private(path: Path, content: str) -> Path:
    """Write a new file, mode 600, and return its path."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    return path


def _sweep(folder: Path) -> None:
    """Remove the folders of processes that were killed."""
    if not Path("/proc/self").exists():
        return
    for path in folder.glob(f"{PREFIX}*-*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            shutil.rmtree(path, ignore_errors=True)
