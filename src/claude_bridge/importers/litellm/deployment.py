"""What one entry of ``model_list`` says: a model at one address, with one key."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from claude_bridge.importers.draft import ImportedPrice, KeyOfBackend
from claude_bridge.importers.text import Text


@frozen(kw_only=True)
class Place:
    """Where requests go, and how: what a `[backend:*]` has besides its keys.

    :ivar hint: a name for it.
    """

    hint: str
    url: Text
    kind: str = ""
    dialect: str = ""
    headers: tuple[tuple[str, Text], ...] = ()
    first_byte_timeout: float | None = None
    max_streams: int | None = None
    ca_file: Text | None = None
    proxy: Text | None = None


@frozen(kw_only=True)
class Facts:
    """What is known of the model.

    :ivar traits: further keys of its section.
    :ivar price: without the name of its section.
    :ivar budget: dollars, and the time for which they are.
    """

    context_window: int | None = None
    max_output_tokens: int | None = None
    traits: tuple[tuple[str, str], ...] = ()
    price: ImportedPrice | None = None
    budget: tuple[Decimal, str] | None = None


@frozen(kw_only=True)
class Deployment:
    """One entry of ``model_list``.

    :ivar path: of the entry.
    :ivar group: ``model_name``, by which clients ask; may be a pattern.
    :ivar model: what the backend calls it; may have ``*`` for what a pattern found.
    :ivar key: with its share and limits; None where none is sent.
    :ivar order: entries with a lower one come first; None comes last.
    :ivar identifier: ``model_info.id``, by which fallbacks may name this entry alone.
    """

    path: str
    group: str
    model: str
    place: Place
    key: KeyOfBackend | None = None
    order: float | None = None
    identifier: str = ""
    facts: Facts = Facts()

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for every name of a pattern."""
        return "*" in self.group
