"""`claude-bridge setup`: Claude Code's own settings point at the bridge.

Only members that a bridge needs are written, and only in one file: the user's settings, or a project's local ones.
What stood there is kept in a receipt, which is on the disk before the settings change; `undo` takes it from there.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from claude_bridge.client import receipt, staged_file, status_setting
from claude_bridge.client.environment import RIVAL, TOKEN, UNUSED, Setting, permissions
from claude_bridge.client.receipt import ChangedMember, Receipt
from claude_bridge.client.settings_diff import settings_diff
from claude_bridge.client.settings_draft import Draft, Place, SetupError, errors, read_draft, write
from claude_bridge.client.settings_text import Path, restore, set_member, spelled, value_at
from claude_bridge.client.status_setting import STATUS_LINE
from claude_bridge.client.undo import MODEL, is_ours
from claude_bridge.config.schema import Config
from claude_bridge.core.model_names import is_clients_own

PLACEHOLDER: Final = "YOUR-"
"""Beginning of a value that only the person knows."""

ENV: Final = "env"

PERMISSIONS: Final = "permissions"
MODE: Final[Path] = (PERMISSIONS, "defaultMode")

Ask = Callable[[str], str]
"""Asks a person for a secret without showing it, and returns it. Raises `SetupError` if there is nobody."""


def published_names(config: Config) -> tuple[str, ...]:
    """Return the plain names under which the bridge lists models, except those that the client has by itself."""
    return tuple(name for name in config.models if not is_clients_own(name))


@frozen(kw_only=True)
class Setup:
    """What is to stand in one settings file.

    :ivar where: the file.
    :ivar settings: the variables for Claude Code.
    :ivar published: the names of models that the bridge lists.
    :ivar token: the token in the environment of the command; "" without one.
    :ivar token_needed: whether a token that is not given has to be asked for; else any word will do.
    :ivar inherited: the permission mode in settings that this file would beat; None if they have none.
    :ivar chosen: the plain name of the main model, if the command line names it.
    :ivar status_line: None: none of ours.
    :ivar inherits_status_line: whether the user has one in settings that this file would beat.
    """

    where: Place
    settings: Sequence[Setting]
    published: tuple[str, ...]
    token: str
    token_needed: bool
    inherited: str | None = None
    chosen: str | None = None
    status_line: Mapping[str, Any] | None = None
    inherits_status_line: bool = False

    def preview(self) -> str:
        """Return the changes as a unified diff without secrets; "" if there are none. Raises `SetupError`."""
        with errors(self.where):
            draft = read_draft(self.where.settings)
            self._change(draft, self._receipt(draft), lambda _: f"{PLACEHOLDER}KEY")
            return settings_diff(draft.before, draft.text, str(self.where.settings))

    def apply(self, ask: Ask) -> bool:
        """Write the settings, and return whether that changed them. Raises `SetupError`, and changes nothing then."""
        with errors(self.where):
            draft = read_draft(self.where.settings)
            kept = self._change(draft, self._receipt(draft), ask)
            if draft.text == draft.before:
                receipt.save(self.where.receipt, kept)
                return False
            with _folders_for(self.where) as folders:
                kept = evolve(kept, folders=tuple(dict.fromkeys((*kept.folders, *folders))))
                write(self.where, draft, draft.text, lambda: receipt.save(self.where.receipt, kept))
        return True

    def mode(self) -> str | None:
        """Return the permission mode that was written; None if the user's own stays. Raises `SetupError`."""
        with errors(self.where):
            kept, present = receipt.load(self.where.receipt), value_at(read_draft(self.where.settings).text, MODE)
        member = None if kept is None else kept.member(MODE)
        return str(present) if member is not None and member.is_ours(present) else None

    def keeps_status_line(self) -> bool:
        """Return whether a status line of the user's own is in the way of ours. Raises `SetupError`."""
        with errors(self.where):
            kept = receipt.load(self.where.receipt)
            present = _own_status_line(read_draft(self.where.settings).text, kept)
        own = self.inherits_status_line or (present is not None and not status_setting.is_ours(present))
        return self.status_line is not None and own

    def _receipt(self, draft: Draft) -> Receipt:
        """Return the receipt of earlier runs, brought up to what the file is now; a new one if there is none."""
        old = receipt.load(self.where.receipt) or Receipt(settings=str(self.where.settings))
        if draft.content is None:
            old = evolve(old, made=True, blank=None)
        elif draft.is_blank:
            old = evolve(old, blank=draft.before)
        return old if is_ours(draft.text, old) else evolve(old, model=spelled(draft.text, MODEL))

    def _change(self, draft: Draft, kept: Receipt, ask: Ask) -> Receipt:
        """Change the draft, and return what has to be kept of it."""
        wanted = dict(self._wanted(draft.text, kept, ask))
        for member in kept.members:
            if member.path not in wanted and member.state(draft.text) == "ours":
                draft.text = restore(draft.text, member.path, member.was)
        members = {member.path: member for member in kept.members}
        objects = kept.objects
        for path, value in wanted.items():
            member = members.get(path) or ChangedMember(path, (), None)
            present = value_at(draft.text, path)
            was = member.was if member.is_ours(present) else spelled(draft.text, path)
            members[path] = ChangedMember(path, tuple(dict.fromkeys((*member.ours, receipt.digest(value)))), was)
            if present != value:
                edit = set_member(draft.text, path, json.dumps(value, ensure_ascii=False))
                draft.text = edit.text
                objects = receipt.merged_objects(objects, edit.objects)
        published = tuple(dict.fromkeys((*kept.published, *self.published)))
        return evolve(kept, members=tuple(members.values()), objects=objects, published=published, chosen=self.chosen)

    def _wanted(self, text: str, kept: Receipt, ask: Ask) -> Iterator[tuple[Path, Any]]:
        """Yield the members to set, with their values."""
        for setting in self.settings:
            if setting.ready:
                value = self._token(setting, text, kept, ask) if setting.name == TOKEN else setting.value
                yield (ENV, setting.name), value
            if setting.name == TOKEN:
                yield (ENV, RIVAL), ""
        member, present = kept.member(MODE), value_at(text, MODE)
        own = None if present is None or (member is not None and member.is_ours(present)) else str(present)
        yield from (((PERMISSIONS, name), value) for name, value in permissions(own or self.inherited).items())
        if self.status_line is not None and not self.inherits_status_line and _own_status_line(text, kept) is None:
            yield (STATUS_LINE,), dict(self.status_line)

    def _token(self, setting: Setting, text: str, kept: Receipt, ask: Ask) -> str:
        """Return the client's token: any word where that will do, else what the person has given, gives, or gave."""
        if not setting.value.startswith(PLACEHOLDER):
            return setting.value
        given = _one_word(self.token)
        if given and not given.startswith(PLACEHOLDER):
            return given
        present, member = value_at(text, (ENV, TOKEN)), kept.member((ENV, TOKEN))
        if isinstance(present, str) and member is not None and member.is_ours(present):
            return present
        if not self.token_needed:
            return UNUSED
        given = _one_word(ask(setting.why))
        if not given:
            raise SetupError(f"a key is needed, {setting.why}; nothing was changed")
        return given


def _own_status_line(text: str, kept: Receipt | None) -> object:
    """Return the status line of settings, or None if there is none, or if `setup` has written it."""
    present, member = value_at(text, (STATUS_LINE,)), None if kept is None else kept.member((STATUS_LINE,))
    return None if member is not None and member.is_ours(present) else present


def _one_word(token: str) -> str:
    """Return a token without the white space around it. Raises `SetupError` for what no header can hold."""
    token = token.strip()
    if not all("!" <= character <= "~" for character in token):
        raise SetupError("a key consists of ASCII letters, digits and signs, without spaces; nothing was changed")
    return token


@contextlib.contextmanager
def _folders_for(where: Place) -> Iterator[tuple[str, ...]]:
    """Create the folders of a settings file where there are none, and remove them again if it cannot be written."""
    folders = staged_file.make_folders(where.settings.resolve().parent)
    try:
        yield tuple(str(folder) for folder in folders)
    except BaseException:
        for folder in reversed(folders):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
