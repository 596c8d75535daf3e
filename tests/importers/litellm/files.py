"""LiteLLM files as texts, for tests of what reads them."""

from __future__ import annotations

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.litellm.deployment import Deployment
from claude_bridge.importers.litellm.model_entries import Defaults, ModelEntries
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.reader import read_litellm
from claude_bridge.importers.litellm.table import Table
from claude_bridge.importers.litellm.values import Values
from claude_bridge.importers.litellm.yaml_reader import read_yaml
from claude_bridge.importers.source import Source


def table_of(text: str, path: str = "") -> Table:
    """Return the mapping that a YAML text is."""
    return Table(path, read_yaml(text, "config.yaml").root)


def draft_of(text: str, *, keep_port: bool = False) -> ImportedConfiguration:
    """Return the draft for the text of a file, which includes no others."""
    return read_litellm(Source(text=text, path="config.yaml", read=_nothing, keep_port=keep_port))


def _nothing(_path: str) -> bytes:
    raise FileNotFoundError


def lost(draft: ImportedConfiguration) -> dict[str, str]:
    """Return what is not carried over: path and meaning."""
    return {each.path: each.meaning for each in draft.findings if each.lost}


def remarks(draft: ImportedConfiguration) -> dict[str, str]:
    """Return what is different: path and meaning."""
    return {each.path: each.meaning for each in draft.findings if not each.lost}


def read_entry(
    parameters: str, info: str = "{}", *, defaults: Defaults | None = None
) -> tuple[Deployment | None, dict[str, str]]:
    """Return what one entry says, and what of it is not carried over."""
    notes, draft = Notes(), ImportedConfiguration(tool="LiteLLM", source_words="a file")
    text = f"model_list: [{{model_name: name, litellm_params: {parameters}, model_info: {info}}}]"
    reader = ModelEntries(values=Values({}), defaults=defaults or Defaults(), notes=notes)
    found = [*reader.read(table_of(text).tables("model_list"))]
    notes.write(draft)
    assert reader.dropped == (set() if found else {"name"})
    return (found[0] if found else None), lost(draft)


def deployment(parameters: str, info: str = "{}", *, defaults: Defaults | None = None) -> Deployment:
    """Return what one entry says, all of which is carried over."""
    found, missing = read_entry(parameters, info, defaults=defaults)
    assert missing == {}
    assert found is not None
    return found
