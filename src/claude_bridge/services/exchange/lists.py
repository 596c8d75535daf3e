"""Asking all backends for their models at once."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, FirstError, gatherResults

from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import Secret
from claude_bridge.services.interfaces import ModelInfo, ModelLists
from claude_bridge.services.keys.credentials import for_list


async def all_lists(
    config: Config, lists: ModelLists, credential: Secret | None
) -> list[tuple[Backend, tuple[ModelInfo, ...]]]:
    """Return each backend with its models, in the order of the configuration; raises `CancelledError`."""
    backends = tuple(config.backends.values())
    asked = [lists.fetch(backend, for_list(config, backend, credential)) for backend in backends]
    try:
        found = await gatherResults(asked, consumeErrors=True)
    except FirstError as error:  # lists fail only by being cancelled, all together, when their client leaves
        raise CancelledError from error
    return list(zip(backends, found, strict=True))
