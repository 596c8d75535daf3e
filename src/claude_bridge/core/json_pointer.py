"""JSON pointers (RFC 6901), as used by the references of a JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def resolve_pointer(root: Mapping[str, Any], reference: str) -> dict[str, Any] | None:
    """Return the object that ``reference`` points to inside ``root``, or None if it points to no object there."""
    if not reference.startswith("#") or (len(reference) > 1 and reference[1] != "/"):
        return None
    found: Any = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isascii() and name.isdigit():
            found = dict(enumerate(found)).get(int(name[:6]))
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
