"""A config.yaml of LiteLLM's proxy -> a draft of a configuration."""

from __future__ import annotations

import os
import shlex
from collections import deque
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.litellm.model_entries import ModelEntries
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.routing import Assembly
from claude_bridge.importers.litellm.settings import Settings
from claude_bridge.importers.litellm.table import Table
from claude_bridge.importers.litellm.values import Values
from claude_bridge.importers.litellm.yaml_reader import MAX_CHARACTERS, Tree, YamlFile, read_yaml
from claude_bridge.importers.source import NotUsable, Source

_INCLUDE: Final = "include"
_MOST_FILES: Final = 50
_NO_MODELS: Final = "has no model: those added in LiteLLM's UI are in its database, so write them into model_list first"


def read_litellm(source: Source) -> ImportedConfiguration:
    """Return what a config.yaml configures. Raises `NotUsable`."""
    notes = Notes()
    found = read_yaml(source.text, source.called)
    _note_oddities(found, "", notes)
    texts = [source.text]
    file = Table("", _with_included(found.root, source, notes, texts))
    values = Values.of(file.table("environment_variables"), "\n".join(texts))
    settings = Settings.of(file, values, notes)
    draft = ImportedConfiguration(
        tool="LiteLLM",
        source_words="a config.yaml of LiteLLM",
        how_back=f"litellm --config {shlex.quote(source.path or 'config.yaml')}",
    )
    if not file.tables("model_list"):
        notes.lose("model_list", _NO_MODELS)
    credentials = {
        name: each.table("credential_values")
        for each in file.tables("credential_list")
        if (name := each.text("credential_name"))
    }
    entries = ModelEntries(values=values, defaults=settings.defaults(), notes=notes, credentials=credentials)
    deployments = tuple(entries.read(file.tables("model_list")))
    rules, paths = settings.rules()
    Assembly(draft=draft, notes=notes, rules=rules, paths=paths, dropped=entries.dropped).add(deployments)
    settings.write(draft, keep_port=source.keep_port)
    settings.note_rest()
    notes.write(draft)
    return draft


def _note_oddities(found: YamlFile, name: str, notes: Notes) -> None:
    for path, what in found.oddities:
        notes.lose(f"{name}:{path}" if name else path, what)


def _with_included(root: Mapping[str, Tree], source: Source, notes: Notes, texts: list[str]) -> Mapping[str, Tree]:
    """Return the settings of a file with those of the files that it includes, as LiteLLM merges them.

    Lists are joined, other settings of an included file replace those before; each file is read once, and what it
    includes itself comes after all others. ``texts`` gets their texts.
    """
    merged = {key: tree for key, tree in root.items() if key != _INCLUDE}
    pending = deque((f"{_INCLUDE}[{number}]", name, source.path) for number, name in enumerate(_names(root)))
    seen = {os.path.normpath(source.path)}
    while pending:
        path, name, declared_in = pending.popleft()
        location = os.path.normpath(PurePath(declared_in).parent / name)
        if location in seen:
            continue
        seen.add(location)
        if len(seen) > _MOST_FILES:
            notes.lose(path, f"one of more than {_MOST_FILES} files: left out")
            break
        found = _included(name, path, location, source, notes, texts)
        pending.extend((f"{name}:{_INCLUDE}[{number}]", each, location) for number, each in enumerate(_names(found)))
        for key, tree in found.items():
            own = merged.get(key)
            if key != _INCLUDE:
                merged[key] = [*own, *tree] if isinstance(own, list) and isinstance(tree, list) else tree
    return merged


def _names(settings: Mapping[str, Tree]) -> tuple[str, ...]:
    """Return the files that a file includes."""
    return Table("", settings).texts(_INCLUDE)


def _included(
    name: str, path: str, location: str, source: Source, notes: Notes, texts: list[str]
) -> Mapping[str, Tree]:
    """Return what an included file has; nothing, with a note, if it cannot be used."""
    if not source.path and not PurePath(location).is_absolute():
        notes.lose(path, "relative to the file, which came from standard input: name the file instead")
        return {}
    try:
        text = source.read(location).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        found = read_yaml(text, "the file", MAX_CHARACTERS - sum(map(len, texts)))
    except OSError:
        notes.lose(path, "a file that cannot be read: nothing of it is here")
    except UnicodeDecodeError:
        notes.lose(path, "no text in UTF-8: nothing of it is here")
    except NotUsable as error:
        notes.lose(path, f"left out: {error}")
    else:
        texts.append(text)
        _note_oddities(found, name, notes)
        return found.root
    return {}
