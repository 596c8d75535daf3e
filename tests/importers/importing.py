"""What tests of importers share: an import as a user runs it, and where its result sends a request."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from claude_bridge.config.load import load
from claude_bridge.config.named_models import NamedModels, which_model
from claude_bridge.config.schema import Config
from claude_bridge.core.routing import Facts
from claude_bridge.importers.command import Order, run


@frozen(kw_only=True)
class Imported:
    """The result of an import.

    :ivar text: the INI text.
    :ivar told: everything that the command wrote apart from that text.
    """

    status: int
    text: str
    told: str


def import_to_file(source: Path, target: Path, *, keep_port: bool = False) -> Imported:
    """Import a file as with ``-o``."""
    out, err = io.StringIO(), io.StringIO()
    status = run(Order(file=str(source), output=str(target), keep_port=keep_port), out, err)
    text = target.read_text(encoding="utf-8") if target.exists() else ""
    return Imported(status=status, text=text, told=out.getvalue() + err.getvalue())


def import_to_output(source: Path) -> Imported:
    """Import a file to standard output."""
    out, err = io.StringIO(), io.StringIO()
    status = run(Order(file=str(source)), out, err)
    return Imported(status=status, text=out.getvalue(), told=err.getvalue())


def loaded(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Return a configuration as `check-config` reads it; it must be valid."""
    return load(str(path), environ or {})


def models_for(config: Config, name: str, facts: Facts) -> list[tuple[str, str]]:
    """Return the models that a request goes to, in order: the URL of the backend, and its own name for the model."""
    which, named = which_model(config), NamedModels(config)
    choice = which.choose(name, facts)
    routed = config.routes[choice.route].models if choice.route else ()
    meant = [which.meant(each) for each in routed] or [choice.meant]
    models = [named.model(each) for each in meant if each is not None]
    return [(config.backends[each.backend].url, each.name) for each in models]
