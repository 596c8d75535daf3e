"""`claude-bridge setup` and `claude-bridge undo` as commands: from a configuration to the sentences to print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import urlsplit

from attrs import evolve, frozen

from claude_bridge.client import status_setting
from claude_bridge.client.chosen_bridge import ChosenBridge
from claude_bridge.client.environment import TOKEN, Setting
from claude_bridge.client.outdated_settings import setup_again
from claude_bridge.client.person import Person
from claude_bridge.client.settings_draft import SetupError, place
from claude_bridge.client.settings_file import own_settings, permission_mode
from claude_bridge.client.settings_files import MANAGED, user_file
from claude_bridge.client.settings_text import InvalidSettings
from claude_bridge.client.setup import PLACEHOLDER, Setup, published_names
from claude_bridge.client.setup_warnings import ADDRESS, Hindrances, hindrances
from claude_bridge.client.undo import Undone, saved_model, undo
from claude_bridge.client.window_warning import window_warning

_OF_ENV: Final = "env."
_SHOWN_VARIABLES: Final = 4


@frozen(kw_only=True)
class Report:
    """What a command has to say.

    :ivar shown: text for standard output.
    :ivar warnings: for standard error.
    :ivar hint: what is worth knowing about ``shown``, a line for standard error; "" for nothing.
    :ivar error: why nothing was changed; None if all went well.
    """

    shown: str = ""
    warnings: tuple[str, ...] = ()
    hint: str = ""
    error: str | None = None

    def write(self, command: str, out: TextIO, err: TextIO) -> int:
        """Print it, and return the exit status of the command."""
        out.write(self.shown)
        err.writelines(f"warning: {warning}\n" for warning in self.warnings)
        if self.hint:
            err.write(f"{self.hint}\n")
        if self.error is not None:
            err.write(f"claude-bridge {command}: {self.error}\n")
        return 0 if self.error is None else 1


@frozen(kw_only=True)
class Wanted:
    """What the command line of `setup` says.

    :ivar project: whether to write the settings of the folder's project, not the user's.
    :ivar dry_run: whether to show the changes only.
    :ivar status_line: whether Claude Code gets our status line.
    """

    project: bool = False
    dry_run: bool = False
    status_line: bool = True


def is_address(url: str) -> bool:
    """Return whether a URL can be that of a bridge."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def set_up(
    bridge: ChosenBridge,
    environ: Mapping[str, str],
    folder: Path,
    wanted: Wanted,
    person: Person,
    managed: str = MANAGED,
) -> Report:
    """Write the settings for a bridge, or show what would change.

    :param folder: where the command runs; the project.
    :param managed: folder of an organization's settings.
    """
    notes = bridge.notes
    if bridge.main is not None:
        theirs = [each["env"] for each in own_settings(environ, folder) if isinstance(each.get("env"), dict)]
        known = bridge.config if bridge.order.start else None
        again = f"then run `{setup_again(project=wanted.project)}` again"
        notes = (*notes, *filter(None, [window_warning(bridge.main, known, [environ, *theirs], again)]))
    try:
        needed = bridge.needed_key()
        weaker = own_settings(environ, folder, local=False) if wanted.project else []
        setup = Setup(
            where=place(environ, folder, project=wanted.project),
            settings=[each if needed is None else _with_reason(each, needed.why) for each in bridge.settings],
            published=published_names(bridge.config),
            token=bridge.token or "",
            token_needed=needed is not None,
            inherited=permission_mode(weaker),
            chosen=bridge.order.model,
            status_line=status_setting.setting(sys.argv[0]) if wanted.status_line else None,
            inherits_status_line=status_setting.has_own(weaker),
        )
        if wanted.dry_run:
            shown = setup.preview() or f"{setup.where.settings}: nothing to change\n"
            return Report(shown=shown, warnings=(*notes, *[status_setting.KEPT] * setup.keeps_status_line()))
        changed = setup.apply(lambda _: "" if needed is None else needed.ask(person))
        mode, keeps_status_line = setup.mode(), setup.keeps_status_line()
    except SetupError as error:
        return Report(error=str(error))
    found = hindrances(setup, environ, folder, managed)
    lines = [f"{setup.where.settings}: {'written' if changed else 'nothing to change'}", _end(setup, found, folder)]
    if mode is not None:
        lines.append(
            f"Claude Code edits files without asking (permissions.defaultMode is {mode}); to be asked, write "
            '"default" there: setup keeps a mode that you set'
        )
    if keeps_status_line:
        lines.append(status_setting.KEPT)
    if bridge.seen.silent and bridge.order.start:
        lines.append(f"no bridge answers at {bridge.order.url} yet: start it with `{bridge.order.start}`")
    elif bridge.seen.silent:
        notes = (*notes, f"{bridge.seen.told}: start the bridge there, or correct --url")
    elif not bridge.seen.answers:
        notes = (*notes, bridge.seen.told)
    return Report(shown="".join(f"{line}\n" for line in lines), warnings=(*notes, *found.warnings))


def _with_reason(setting: Setting, why: str) -> Setting:
    """Return a variable; that of the token is for the person to fill in."""
    return evolve(setting, value=f"{PLACEHOLDER}KEY", why=why) if setting.name == TOKEN else setting


def _end(setup: Setup, found: Hindrances, folder: Path) -> str:
    """Return the sentence that says what Claude Code does now, and how that ends."""
    address = next(setting.value for setting in setup.settings if setting.name == ADDRESS)
    who = "Claude Code" if setup.where.scope == "user" else f"Claude Code in {folder}"
    back = f"`{setup.where.undo}` puts it back"
    if found.address is None:
        return f"{who} now uses {address}; {back}"
    other = f"{found.address.key} of {found.address.file}"
    if found.address.file.scope == "managed":
        return f"Claude Code still uses the address in {other}; {back}"
    return f"Claude Code now uses {address}, but in {folder} still the address in {other}; {back}"


def take_back(environ: Mapping[str, str], folder: Path, *, project: bool = False) -> Report:
    """Restore what was there before `set_up` wrote."""
    try:
        where = place(environ, folder, project=project)
        undone = undo(where)
    except SetupError as error:
        return Report(error=str(error))
    lines = []
    if undone.had_receipt or undone.restored:
        lines.append(f"{where.settings}: {_restored(undone)}")
    else:
        lines.append(f"nothing to undo: claude-bridge setup has not changed {where.settings}")
    lines += [f"removed {each}, which claude-bridge setup had made" for each in undone.removed]
    lines += [f"left {each}" for each in undone.left]
    warnings = []
    if project:
        model = _saved_by_user(environ)
        if model is not None:
            warnings.append(
                f"{user_file(environ)} has the model {model}, saved by /model: `claude-bridge undo` removes it"
            )
    return Report(shown="".join(f"{line}\n" for line in lines), warnings=tuple(warnings))


def _restored(undone: Undone) -> str:
    if not undone.restored:
        return "nothing of it was left"
    variables = [each for each in undone.restored if each.startswith(_OF_ENV)]
    others = [each for each in undone.restored if not each.startswith(_OF_ENV)]
    if len(variables) > _SHOWN_VARIABLES:
        variables = [f"{variables[0]} and {len(variables) - 1} more of env"]
    return f"took back {', '.join((*variables, *others))}"


def _saved_by_user(environ: Mapping[str, str]) -> str | None:
    """Return the bridge's model that the user's settings have as the default, or None."""
    settings = user_file(environ)
    try:
        return None if settings is None else saved_model(settings)
    except (OSError, InvalidSettings):
        return None
