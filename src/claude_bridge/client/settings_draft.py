"""One settings file of Claude Code while `claude-bridge setup` or `undo` changes it: read once, written in one step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from claude_bridge.client import staged_file
from claude_bridge.client.receipt import DamagedReceipt, receipt_file
from claude_bridge.client.settings_files import Scope, project_file, user_file
from claude_bridge.client.settings_text import BOM, InvalidSettings, decoded
from claude_bridge.config.directories import state_directory

EMPTY: Final = "{}\n"
"""The settings to begin with where there are none."""


class SetupError(Exception):
    """Nothing was changed; the message says why, and what to do."""


@frozen(kw_only=True)
class Place:
    """One settings file that may be changed.

    :ivar settings: the file as Claude Code names it; perhaps a symbolic link, perhaps not there.
    :ivar receipt: the file with what was changed in it.
    :ivar scope: whose settings they are.
    :ivar undo: the command that takes the changes back.
    """

    settings: Path
    receipt: Path
    scope: Scope
    undo: str


@define
class Draft:
    """The text of a settings file, to be changed and written.

    :ivar content: what the file has; None if there is none.
    :ivar text: the settings, in a form that can be edited.
    :ivar is_blank: whether the file has nothing but white space, or is not there.
    """

    content: bytes | None = field(repr=False)
    text: str = field(repr=False)
    is_blank: bool

    @property
    def before(self) -> str:
        """Return the text that the file has."""
        return "" if self.content is None else self.content.decode()


def place(environ: Mapping[str, str], folder: Path, *, project: bool) -> Place:
    """Return the settings to change: the user's, or those of the project in ``folder``. Raises `SetupError`."""
    settings = project_file(folder) if project else user_file(environ)
    state = state_directory(None, environ)
    if settings is None or state is None:
        raise SetupError("no home folder is known: set HOME")
    try:
        kept = receipt_file(state, settings)
    except (OSError, RuntimeError):
        raise SetupError(f"{settings}: its symbolic links form a loop") from None
    undo = "claude-bridge undo --project" if project else "claude-bridge undo"
    return Place(settings=settings, receipt=kept, scope="project, local" if project else "user", undo=undo)


@contextlib.contextmanager
def errors(where: Place) -> Iterator[None]:
    """Raise `SetupError` for everything that can be wrong with the files of a place."""
    try:
        yield
    except InvalidSettings as error:
        raise SetupError(f"{where.settings}: {error}; nothing was changed") from None
    except DamagedReceipt as error:
        raise SetupError(f"{error}; nothing was changed") from None
    except OSError as error:
        raise SetupError(f"{error.filename or where.settings}: {error.strerror}; nothing was changed") from None


def read_draft(settings: Path) -> Draft:
    """Return a settings file to be changed. Raises `OSError` and `InvalidSettings`."""
    content = staged_file.read(settings)
    blank = "" if content is None else content.decode("utf-8", "replace")
    if blank.strip(BOM + " \t\r\n"):
        return Draft(content, decoded(content or b""), is_blank=False)
    return Draft(content, begun(blank), is_blank=True)


def begun(blank: str) -> str:
    """Return the settings to begin with in a file that has nothing but white space."""
    return (BOM if blank.startswith(BOM) else "") + EMPTY


def write(where: Place, draft: Draft, text: str, before_commit: Callable[[], None] | None = None) -> None:
    """Replace a settings file by ``text``; ``before_commit`` runs when only the last step is missing.

    Raises `OSError`, and `SetupError` if another program has changed the file since it was read.
    """
    staged = staged_file.stage(where.settings, text.encode())
    try:
        if before_commit is not None:
            before_commit()
        _refuse_changed(where.settings, draft)
        staged.commit()
    except BaseException:
        staged.discard()
        raise


def _refuse_changed(settings: Path, draft: Draft) -> None:
    if staged_file.read(settings) != draft.content:
        raise SetupError(f"{settings} was changed by another program just now: try again")
