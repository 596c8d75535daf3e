"""Names that are valid in an INI file, and unique, made from names that need not be."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from attrs import define, field

from claude_bridge.config.fields import FORWARDED_KEY
from claude_bridge.core.model_names import MARK

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS: Final = re.compile(r"[\d.]+|.*:.*")
_QUOTES: Final = "\"'`\u201c\u201d\u2018\u2019"
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NOT_IN_VARIABLES: Final = re.compile(r"[^A-Z0-9]+")


def is_variable(name: str) -> bool:
    """Return whether an environment variable can have this name here."""
    return _VARIABLE.fullmatch(name) is not None


def plain_name(wanted: str, otherwise: str) -> str:
    """Return a NAME for any section that resembles ``wanted``, or ``otherwise`` if nothing of it is left.

    Letters with accents lose them; everything else but letters, digits, dots, dashes and underscores becomes a dash.
    """
    folded = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode("ascii")
    return _NOT_PLAIN.sub("-", folded).strip("-._") or otherwise


def key_name(wanted: str, otherwise: str) -> str:
    """Return a NAME for a ``[key:NAME]``, as `plain_name`; not that of clients whose own credential is passed on."""
    name = plain_name(wanted, otherwise)
    return f"{name}-key" if name == FORWARDED_KEY else name


def model_alias(wanted: str, otherwise: str = "model") -> str:
    """Return a NAME for a ``[model:NAME]``, which may have any characters but spaces."""
    name = "-".join(wanted.split()).strip(_QUOTES)
    while name.endswith(MARK):
        name = name.removesuffix(MARK)
    return name if name and name.isprintable() else otherwise


def of_host(host: str) -> str:
    """Return a NAME for the backend at a host: ``siliconflow`` for ``api.siliconflow.cn``."""
    if _ADDRESS.fullmatch(host):
        return "backend"
    return plain_name(host.removeprefix("api.").rpartition(".")[0], plain_name(host, "backend"))


def variable_name(*parts: str) -> str:
    """Return a name for an environment variable: ``open router``, ``key`` gives ``OPEN_ROUTER_KEY``."""
    upper = "_".join(plain_name(each, "").upper() for each in parts)
    name = _NOT_IN_VARIABLES.sub("_", upper).strip("_") or "API_KEY"
    return f"_{name}" if name[0].isdigit() else name


@define
class UniqueNames:
    """Gives each name once; a second one of the same spelling, but for case, gets a number."""

    _given: set[str] = field(factory=set)
    _last: dict[str, int] = field(factory=dict)  # the number that was given last, by what stands in front of it

    def take(self, wanted: str) -> str:
        """Return ``wanted``, or if it has been given already, ``wanted-2`` and so on."""
        return self._take(wanted, "-")

    def take_variable(self, wanted: str) -> str:
        """Return the same for a variable: ``WANTED_2``."""
        return self._take(wanted, "_")

    def _take(self, wanted: str, between: str) -> str:
        name, front = wanted, f"{wanted}{between}".casefold()
        while name.casefold() in self._given:
            number = self._last[front] = self._last.get(front, 1) + 1
            name = f"{wanted}{between}{number}"
        self._given.add(name.casefold())
        return name
