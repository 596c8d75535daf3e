"""What tests of the parts share: a config.json in words, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_bridge.core import strict_json
from claude_bridge.importers.claude_code_router.reader import read_router
from claude_bridge.importers.claude_code_router.reading import Reading
from claude_bridge.importers.draft import Finding, ImportedConfiguration
from claude_bridge.importers.source import Source

BOX: Mapping[str, Any] = {"name": "box", "api_base_url": "http://127.0.0.1:8000/v1", "models": ["m", "n"]}


def draft_of(data: Mapping[str, Any], *, keep_port: bool = False) -> ImportedConfiguration:
    """Return the draft of a config.json."""
    text = strict_json.encode(data).decode()
    return read_router(Source(text=text, path="config.json", read=lambda _path: b"", keep_port=keep_port))


def with_box(**more: Any) -> ImportedConfiguration:
    """Return the draft of a config.json with one provider, ``box``, and more settings."""
    return draft_of({"Providers": [BOX], **more})


def a_reading(data: Mapping[str, Any] | None = None) -> Reading:
    """Return a config.json on its way."""
    draft = ImportedConfiguration(tool="Claude Code Router", source_words="a config.json")
    return Reading(data=data or {}, draft=draft, keep_port=False)


def lost(draft: ImportedConfiguration) -> list[str]:
    """Return the places that are not carried over."""
    return [each.path for each in draft.findings if each.lost]


def told(draft: ImportedConfiguration, path: str) -> Finding:
    """Return what is said of a place."""
    (found,) = [each for each in draft.findings if each.path == path]
    return found
