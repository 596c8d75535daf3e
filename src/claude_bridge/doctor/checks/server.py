"""Check 5: what server it is, and which dialect is spoken to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_bridge.config.dialects import AUTO
from claude_bridge.core.backend_api import Clues
from claude_bridge.doctor.examination import Examination

TITLES: Final[Mapping[str, str]] = {
    "llamacpp": "llama.cpp",
    "lmstudio": "LM Studio",
    "ollama": "Ollama",
    "sglang": "SGLang",
    "vllm": "vLLM",
    "generic": "a server that was not recognised",
}
"""What people call the servers; the others are hosts, which speak for themselves."""

_VERSIONS: Final[Mapping[str, tuple[str, str]]] = {
    "llamacpp": ("/props", "build_info"),
    "ollama": ("/api/version", "version"),
    "sglang": ("/get_server_info", "version"),
    "vllm": ("/version", "version"),
}
"""Where the servers that people run themselves tell their version, and the field."""

_MAX_VERSION: Final = 40
_MAX_OWNERS: Final = 16


def title(dialect: str) -> str:
    """Return what people call the server of a dialect."""
    return TITLES.get(dialect, dialect)


def observe(examination: Examination) -> None:
    """Recognise the dialect by the list of models."""
    reply = examination.listing
    if reply is None:
        return
    owners = dict.fromkeys(each.owner for each in examination.listed if each.owner)
    examination.detection.observe(examination.backend, Clues(owners=tuple(owners)[:_MAX_OWNERS], headers=reply.headers))


async def server(examination: Examination) -> None:
    """Report what server it is, in which version, and by what it was recognised."""
    decision = examination.dialect
    name = decision.dialect.name
    version = await _version(examination, name)
    why = f" ({decision.why})" if decision.known else ""
    told = f"{title(name)}{version and ' '}{version}, dialect {name}{why}"
    doubted = _looks_like(examination)
    if doubted:
        examination.warn(
            f"{told}, but it looks like {title(doubted)}: set `dialect = auto`",
            section=examination.section,
            option="dialect = auto",
        )
    else:
        examination.ok(told)


def _looks_like(examination: Examination) -> str:
    """Return the dialect of the server that it seems to be, if another is configured."""
    reply, decided = examination.listing, examination.dialect.dialect
    if examination.backend.dialect == AUTO or reply is None or not decided.speaks_for_itself:
        return ""
    owners = tuple(dict.fromkeys(each.owner for each in examination.listed if each.owner))
    clues = Clues(owners=owners[:_MAX_OWNERS], headers=reply.headers)
    found = examination.kind.recognise(clues)
    return (
        "" if found is None or found.dialect.name == decided.name or decided.recognised(clues) else found.dialect.name
    )


async def _version(examination: Examination, dialect: str) -> str:
    path, name = _VERSIONS.get(dialect, ("", ""))
    if not path:
        return ""
    told: Any = await examination.json(path)
    if not isinstance(told, dict):
        return ""
    if dialect == "llamacpp":
        examination.properties = told
    version = told.get(name)
    return version[:_MAX_VERSION] if isinstance(version, str) else ""
