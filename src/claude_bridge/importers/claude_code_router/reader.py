"""A config.json of Claude Code Router -> a draft of a configuration."""

from __future__ import annotations

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.source import NotUsable, Source


def read_router(source: Source) -> ImportedConfiguration:
    """Return what a config.json configures. Raises `NotUsable`."""
    raise NotUsable(f"{source.path} is a file of Claude Code Router, which cannot be imported yet")
