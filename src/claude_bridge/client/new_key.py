"""A new key for a client: it is printed once, and the configuration gets its hash (docs/keys.md)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import field, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import staged_file
from claude_bridge.config.directories import config_files
from claude_bridge.config.ini import read_ini
from claude_bridge.config.load import parse, read_file
from claude_bridge.config.problems import ConfigErrors, Problem
from claude_bridge.config.secret import hash_of
from claude_bridge.config.sections import KINDS

PREFIX: Final = "cb-"
"""How keys begin, so that people and scanners of secrets recognise one."""

_RANDOM_BYTES: Final = 32

_ASKED: Final = "[server]\ncredentials = keys"
"""What a file must say for its keys to have an effect."""


@frozen(kw_only=True)
class NewKey:
    """A key that was made.

    :ivar key: what the client is to send.
    :ivar told: what there is to know, for a person, in lines.
    """

    key: str = field(repr=False)
    told: str


def make_key() -> str:
    """Return a key of 256 random bits: ``cb-`` and 43 letters, digits, ``-`` and ``_``."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def section(name: str, key: str) -> str:
    """Return the section of a configuration for a key, which has its hash and not the key itself."""
    return f"[key:{name}]\nhash = {hash_of(key)}\n"


def new_key(name: str, file: str | None, environ: Mapping[str, str], *, only_print: bool = False) -> NewKey:
    """Make a key for the client ``name`` and add its section to the configuration, unless ``only_print``.

    Mistakes that the file has elsewhere are told. Raises `ExpectedFailure`; then nothing was written.

    :param file: the configuration's path; None for the usual places.
    """
    try:
        KINDS["key"].check_name(name)
    except ValueError as error:
        raise ExpectedFailure(f"{name!r} cannot be the name of a key: {error}") from None
    path = _find(file, environ)
    if path is None and not only_print:
        places = ", ".join(config_files(environ))
        raise ExpectedFailure(f"no configuration was found ({places}): name it with --config, or see --print")
    content = b"" if path is None else _read(path)
    text = _decoded(path, content)
    _refuse_twin(name, text, path)
    key = make_key()
    made = section(name, key)
    if only_print:
        asked = "" if _asks_for_keys(text) else f"and, so that clients are asked for their keys:\n{_ASKED}\n"
        return NewKey(key=key, told=f"add to the configuration:\n{made}{asked}{_next(name, text)}")
    assert path is not None  # noqa: S101 - for the type checker
    changed = appended(text, made)
    mistakes = _mistakes(changed, path, environ)
    _refuse_without_effect(name, changed, path, mistakes)
    _replace(path, content, changed.encode())
    out_of_reach = [each for each in _mistakes(changed, path, environ, resolve_secrets=True) if each not in mistakes]
    added = f"added to {path}: [key:{name}], with the hash of the key above\n"
    return NewKey(
        key=key, told=f"{added}{_wrong(path, mistakes, out_of_reach)}{_next(name, changed, is_valid=not mistakes)}"
    )


def appended(text: str, added: str) -> str:
    """Return a configuration with a section at its end, after an empty line, in the line ends that it has."""
    end = "\r\n" if "\r\n" in text else "\n"
    body = text if not text or text.endswith("\n") else text + end
    gap = end if body and not body.endswith(end + end) else ""
    return body + gap + added.replace("\n", end)


def _next(name: str, text: str, *, is_valid: bool = True) -> str:
    """Return what to do with a key now and later, in lines; ``text`` is the configuration, which may have mistakes."""
    once = "" if is_valid else "once they are mended "
    return (
        f"the key is shown this once: give it to {name}, as ANTHROPIC_AUTH_TOKEN\n"
        f"{once}a running bridge knows it after: claude-bridge reload\n"
        f"to revoke it, remove [key:{name}] and {' and '.join(_budgets_of(name, text))}, and reload\n"
    )


def _budgets_of(name: str, text: str) -> Sequence[str]:
    """Return the sections of the budgets that are for a key, or words for those to come: they need the key."""
    budgets = {section: keys for section, keys in read_ini(text).sections.items() if section.startswith("budget:")}
    found = [section for section, keys in budgets.items() if " ".join(keys.get("for", ())).split() == ["key", name]]
    return [f"[{section}]" for section in found] or ["any [budget:*] that is for it by then"]


def _wrong(path: Path, mistakes: Sequence[Problem], out_of_reach: Sequence[Problem]) -> str:
    """Return what is wrong in the file beside the new key, in lines."""
    lines: list[object] = []
    if mistakes:
        told = (
            f"but {path} has mistakes that were there before; a running bridge refuses a reload until they are mended:"
        )
        lines += [told, *mistakes]
    if out_of_reach:
        told = "not there for this command; if it is not there for the bridge either, it refuses a reload:"
        lines += [told, *out_of_reach]
    return "".join(f"{line}\n" for line in lines)


def _find(file: str | None, environ: Mapping[str, str]) -> Path | None:
    """Return the configuration's path, or None if there is none in the usual places."""
    named = file or environ.get("CLAUDE_BRIDGE_CONFIG")
    if named:
        return Path(named)
    return next((Path(each) for each in config_files(environ) if Path(each).exists()), None)


def _read(path: Path) -> bytes:
    try:
        return read_file(str(path))
    except OSError as error:
        raise ExpectedFailure(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None


def _decoded(path: Path | None, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ExpectedFailure(f"{path} is not UTF-8") from None


def _refuse_twin(name: str, text: str, path: Path | None) -> None:
    """Raise if there is a key of this name, in whatever case: people would not tell them apart."""
    names = [each.partition(":")[2] for each in read_ini(text).sections if each.startswith("key:")]
    twin = next((each for each in names if each.casefold() == name.casefold()), None)
    if twin is not None:
        raise ExpectedFailure(
            f"{path} has a [key:{twin}] already: to replace the key, remove that section, which revokes the old key at "
            "the next reload, and run this again; else choose another name"
        )


def _asks_for_keys(text: str) -> bool:
    return read_ini(text).sections.get("server", {}).get("credentials") == ("keys",)


def _mistakes(
    text: str, path: Path, environ: Mapping[str, str], *, resolve_secrets: bool = False
) -> tuple[Problem, ...]:
    """Return what is wrong with a configuration; files and variables with secrets may be out of this person's reach."""
    try:
        parse(text, environ, read_file, path=str(path), resolve_secrets=resolve_secrets)
    except ConfigErrors as errors:
        return errors.problems
    return ()


def _refuse_without_effect(name: str, text: str, path: Path, mistakes: Sequence[Problem]) -> None:
    """Raise if the key would have no effect in a configuration, whatever else is wrong with that."""
    own = f"key:{name}"
    if own not in read_ini(text).sections or any(each.section == own for each in mistakes):
        raise ExpectedFailure(f"nothing was written: {path} would not be valid\n{ConfigErrors(tuple(mistakes))}")
    if any((each.section, each.key) == ("server", "credentials") for each in mistakes):
        raise ExpectedFailure(
            f"nothing was written: {path} asks nobody for a key. Let it say `credentials = keys` in [server], so that "
            "every client needs one, and run this again; --print shows the section without writing it"
        )


def _replace(path: Path, old: bytes, new: bytes) -> None:
    """Put new content into a file in one step, with its mode and owner, unless somebody else has changed it."""
    try:
        before = path.stat()
        staged = staged_file.stage(path, new)
    except OSError as error:
        raise ExpectedFailure(f"{path} cannot be written: {error.strerror or type(error).__name__}") from None
    try:
        after = staged.new.stat()
        if (after.st_uid, after.st_gid) != (before.st_uid, before.st_gid):
            raise ExpectedFailure(
                f"nothing was written: {path} would get another owner or group; run this as its owner"
            )
        if _read(path) != old:
            raise ExpectedFailure(f"nothing was written: {path} was changed meanwhile; run this again")
        staged.commit()
    except OSError as error:
        raise ExpectedFailure(f"{path} cannot be written: {error.strerror or type(error).__name__}") from None
    finally:
        with suppress(OSError):
            staged.discard()
