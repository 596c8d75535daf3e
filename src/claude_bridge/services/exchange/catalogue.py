"""The models that clients may ask for, as ``/v1/models`` publishes them (docs/design.md 2)."""

from __future__ import annotations

from attrs import define, frozen

from claude_bridge.config.schema import Config
from claude_bridge.config.secret import Secret
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.model_names import MARK, strip_mark
from claude_bridge.services.exchange.resolver import CandidateResolver


@frozen(kw_only=True)
class PublishedModel:
    """One entry.

    :ivar id: the plain name with the marker without which Claude Code's discovery drops a model.
    :ivar created: Unix seconds, if the backend says.
    """

    id: str
    display_name: str
    created: int | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None


@define
class Catalogue:
    """Lists the configured names, and the backends' own models if those are to be shown."""

    _config: Config
    _resolver: CandidateResolver

    async def models(self, credential: Secret | None) -> tuple[PublishedModel, ...]:
        """Return all entries, configured names first; for a backend that is too slow those of its last known list."""
        published = {
            alias: PublishedModel(
                id=alias + MARK,
                display_name=alias,
                max_input_tokens=model.context_window,
                max_tokens=model.max_output_tokens,
            )
            for alias, model in self._config.models.items()
        }
        for info in await self._backend_models(credential):
            name = info.id
            published.setdefault(
                name,
                PublishedModel(
                    id=name + MARK, display_name=name, created=info.created, max_input_tokens=info.context_window
                ),
            )
        return tuple(published.values())

    async def model(self, name: str, credential: Secret | None) -> PublishedModel | None:
        """Return one entry by its plain or published id; None if there is no such model."""
        plain = strip_mark(name)
        return next((one for one in await self.models(credential) if one.display_name == plain), None)

    async def _backend_models(self, credential: Secret | None) -> list[ModelInfo]:
        show = self._config.server.list_backend_models
        if show is False or (show is None and self._config.models):
            return []
        lists = await self._resolver.lists(credential)
        return [info for _, models in lists for info in models]
