"""`claude-bridge setup` and `claude-bridge undo` as commands: from a configuration to the sentences to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from attrs import frozen

from claude_bridge.client.ask import NobodyToAsk, ask_hidden
from claude_bridge.client.environment import TOKEN, Setting
from claude_bridge.client.settings_draft import SetupError, place
from claude_bridge.client.settings_files import MANAGED, user_file
from claude_bridge.client.settings_text import InvalidSettings
from claude_bridge.client.setup import Setup, published_names
from claude_bridge.client.setup_warnings import ADDRESS, Hindrances, hindrances
from claude_bridge.client.undo import Undone, saved_model, undo
from claude_bridge.config.named_models import which_model
from claude_bridge.config.schema import Config
from claude_bridge.core.model_names import AUTO, plain_name


@frozen(kw_only=True)
class Report:
    """What a command has to say.

    :ivar shown: text for standard output.
    :ivar warnings: for standard error.
    :ivar error: why nothing was changed; None if all went well.
    """

    shown: str = ""
    warnings: tuple[str, ...] = ()
    error: str | None = None

    def write(self, command: str, out: TextIO, err: TextIO) -> int:
        """Print it, and return the exit status of the command."""
        out.write(self.shown)
        err.writelines(f"warning: {warning}\n" for warning in self.warnings)
        if self.error is not None:
            err.write(f"claude-bridge {command}: {self.error}\n")
        return 0 if self.error is None else 1


@frozen(kw_only=True)
class Wanted:
    """What the command line of `setup` says.

    :ivar model: the model for all conversations; None: as the configuration has it.
    :ivar project: whether to write the settings of the folder's project, not the user's.
    :ivar dry_run: whether to show the changes only.
    """

    model: str | None = None
    project: bool = False
    dry_run: bool = False


def is_address(url: str) -> bool:
    """Return whether a URL can be that of a bridge."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def set_up(
    config: Config,
    settings: Sequence[Setting],
    environ: Mapping[str, str],
    folder: Path,
    wanted: Wanted,
    managed: str = MANAGED,
) -> Report:
    """Write the settings for a bridge with ``config``, or show what would change.

    :param settings: the variables for Claude Code.
    :param folder: where the command runs; the project.
    :param managed: folder of an organization's settings.
    """
    try:
        setup = Setup(
            where=place(environ, folder, project=wanted.project),
            settings=settings,
            published=published_names(config),
            token=environ.get(TOKEN, ""),
            token_needed=config.server.credentials == "keys",
        )
        if wanted.dry_run:
            return Report(shown=setup.preview() or f"{setup.where.settings}: nothing to change\n")
        changed = setup.apply(partial(_ask, needed=setup.token_needed))
    except (SetupError, NobodyToAsk) as error:
        return Report(error=str(error))
    found = hindrances(setup, environ, folder, managed)
    unknown = () if wanted.model is None else _unknown(config, plain_name(wanted.model))
    shown = f"{setup.where.settings}: {'written' if changed else 'nothing to change'}\n{_end(setup, found, folder)}\n"
    return Report(shown=shown, warnings=(*unknown, *found.warnings))


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
    if not undone.had_receipt:
        lines.append(f"nothing to undo: claude-bridge setup has not changed {where.settings}")
    if undone.had_receipt or undone.restored:
        lines.append(f"{where.settings}: {_restored(undone)}")
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
    return f"took back {', '.join(undone.restored)}" if undone.restored else "nothing of it was left"


def _saved_by_user(environ: Mapping[str, str]) -> str | None:
    """Return the bridge's model that the user's settings have as the default, or None."""
    settings = user_file(environ)
    try:
        return None if settings is None else saved_model(settings)
    except (OSError, InvalidSettings):
        return None


def _unknown(config: Config, name: str) -> tuple[str, ...]:
    """Return a warning for a model that the configuration does not have."""
    if not config.models or name == AUTO or which_model(config).meant(name) is not None:
        return ()
    return (f"{name} is none of the configured models ({', '.join(config.models)}): the backend has to know it",)


def _ask(why: str, *, needed: bool) -> str:
    """Ask for the token. Raises `NobodyToAsk`, with what to do then."""
    try:
        return ask_hidden(f"{TOKEN}: {why}\nkey ({'not shown' if needed else 'not shown; Return for none'}): ")
    except NobodyToAsk as error:
        raise NobodyToAsk(f"{error}: set {TOKEN} ({why}); nothing was changed") from None
