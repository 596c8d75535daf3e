"""`claude-bridge undo`: what `claude-bridge setup` wrote goes, and what stood there before comes back.

A member is restored only while it has a value that `setup` gave it: what anybody has changed since belongs to them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path as FilePath
from typing import Final

from attrs import frozen

from claude_bridge.client import receipt
from claude_bridge.client.receipt import Receipt
from claude_bridge.client.settings_draft import Draft, Place, SetupError, begun, errors, read_draft, write
from claude_bridge.client.settings_text import Path, restore, restore_objects, spelled, value_at
from claude_bridge.core.model_names import MARK, TIERS, plain_name

MODEL: Final[Path] = ("model",)
"""Where `/model` of Claude Code saves the user's choice; `setup` never writes it."""


@frozen
class Undone:
    """What came of it.

    :ivar had_receipt: whether `setup` had changed the file at all.
    :ivar restored: the members that are as they were, as dotted paths.
    :ivar left: the members that were left alone, each with the reason.
    :ivar removed: the file and the folders that `setup` had made.
    """

    had_receipt: bool
    restored: tuple[str, ...]
    left: tuple[str, ...]
    removed: tuple[str, ...] = ()


def undo(where: Place) -> Undone:
    """Restore what `Setup.apply` changed in a file. Raises `SetupError`.

    A ``model`` of the bridge's goes even if `setup` was never run: `/model` saves one in any session with the bridge.
    """
    with errors(where):
        kept = receipt.load(where.receipt)
        draft = read_draft(where.settings)
        restored, left = _taken_back(draft, kept or Receipt(settings=str(where.settings)))
        removed = _put_back(where, draft, kept)
    if kept is not None:
        _forget(where)
    return Undone(kept is not None, tuple(restored), tuple(left), tuple(removed))


def is_ours(text: str, kept: Receipt) -> bool:
    """Return whether the ``model`` of settings is one of the bridge's: its id is marked, or was listed plainly.

    So is the word of a family that `setup` has led to the bridge, if it was not there before: it was chosen while it
    meant the bridge's model, and would mean Anthropic's without.
    """
    model = value_at(text, MODEL)
    if not isinstance(model, str):
        return False
    if MARK in model:
        return True
    return spelled(text, MODEL) != kept.model and (plain_name(model) in kept.published or _is_led(text, model, kept))


def _is_led(text: str, model: str, kept: Receipt) -> bool:
    """Return whether a word is a family's that leads to what `setup` has set, and nobody has changed since."""
    word = plain_name(model).lower()
    member = kept.member(("env", f"ANTHROPIC_DEFAULT_{word.upper()}_MODEL")) if word in TIERS else None
    return member is not None and member.is_ours(value_at(text, member.path))


def saved_model(settings: FilePath) -> str | None:
    """Return the model of the bridge's that a settings file has as the default, or None.

    Raises `OSError` and `InvalidSettings`.
    """
    text = read_draft(settings).text
    model = value_at(text, MODEL)
    return str(model) if is_ours(text, Receipt(settings=str(settings))) else None


def _taken_back(draft: Draft, kept: Receipt) -> tuple[list[str], list[str]]:
    """Restore in a draft what is still ours; return what was restored, and what was left with the reason."""
    restored, left = [], []
    has_our_model = is_ours(draft.text, kept)
    for member in reversed(kept.members):
        name, state = ".".join(member.path), member.state(draft.text)
        if state == "ours":
            draft.text = restore(draft.text, member.path, member.was)
            restored.append(name)
        elif state != "before":
            left.append(f"{name}, which was {state} since")
        elif member.was is not None and member.is_ours(value_at(draft.text, member.path)):
            left.append(f"{name}, which had this value before")
    restored.reverse()
    if has_our_model:
        ours = value_at(draft.text, MODEL)
        was = None if kept.model is None or MARK in kept.model else kept.model
        draft.text = restore(draft.text, MODEL, was)
        restored.append(f"model, which was {ours}")
    draft.text = restore_objects(draft.text, kept.objects)
    return restored, left


def _put_back(where: Place, draft: Draft, kept: Receipt | None) -> list[str]:
    """Write a draft from which ours was taken; return the file and folders that were removed instead."""
    if draft.is_blank:
        return []
    if kept is not None and kept.made and draft.text == begun(""):
        where.settings.resolve().unlink()
        return [str(where.settings), *_removed(kept.folders)]
    text = draft.text
    if kept is not None and kept.blank is not None and text == begun(kept.blank):
        text = kept.blank
    if text != draft.before:
        write(where, draft, text)
    return []


def _forget(where: Place) -> None:
    """Remove a receipt that has served, and its folder if nothing else is in it. Raises `SetupError`."""
    try:
        where.receipt.unlink()
    except OSError as error:
        reason = f"{where.receipt} cannot be removed: {error.strerror}"
        raise SetupError(f"{where.settings} is as it was before, but {reason}") from None
    with contextlib.suppress(OSError):  # the daemon keeps its files there too
        where.receipt.parent.rmdir()


def _removed(folders: tuple[str, ...]) -> list[str]:
    """Remove those folders that are empty, the inner ones first; return them."""
    removed = []
    for folder in reversed(folders):
        try:
            FilePath(folder).rmdir()
        except OSError:  # there are files of others in it
            break
        removed.append(folder)
    return removed
