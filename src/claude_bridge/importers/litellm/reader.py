"""A config.yaml of LiteLLM's proxy -> a draft of a configuration."""

from __future__ import annotations

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.source import NotUsable, Source


def read_litellm(source: Source) -> ImportedConfiguration:
    """Return what a config.yaml configures. Raises `NotUsable`."""
    raise NotUsable(f"{source.path} is a file of LiteLLM, which cannot be imported yet")
