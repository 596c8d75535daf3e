"""One request's prompt: how long it is for the model that gets it, and what its true length teaches."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field
from twisted.internet.defer import Deferred

from claude_bridge.core import conversation
from claude_bridge.core.backend_api import Target
from claude_bridge.core.events import Usage
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.tokens import preflight, request_count
from claude_bridge.core.tokens.request_count import Count
from claude_bridge.services.knowledge.profiles import ModelProfile, ModelProfiles
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.pace import Pace


@define(eq=False, kw_only=True)
class PromptSize:
    """A prompt in the measure of any model.

    :ivar texts: base64 text of a PDF -> its text, as far as the documents were read.
    """

    _request: MessagesRequest
    _info: RequestInfo
    _profiles: ModelProfiles
    _windows: WindowWarnings
    _pace: Pace
    texts: dict[str, str] = field(factory=dict, init=False)
    _as_texts: int = field(default=0, init=False)
    _guessed: int | None = field(default=None, init=False)

    def pending_documents(self, target: Target) -> list[str]:
        """Return the documents, in base64, that ``target`` wants as text and that were not read yet."""
        if not target.documents_as_text:
            return []
        return [data for data in conversation.pdfs(conversation_of(self._request)) if data not in self.texts]

    def add_texts(self, texts: Mapping[str, str]) -> None:
        """Take the texts of documents."""
        self.texts.update(texts)
        self._as_texts += request_count.text_difference(texts)

    def estimate(self, backend: str, target: Target) -> int:
        """Return its tokens, roughly, corrected by what the model's prompts turned out to be."""
        return self._profiles.estimate(backend, target.model, self._rough(target))

    def check(self, backend: str, target: Target) -> None:
        """Raise `ContextOverflow` if it surely does not fit; warn once where nobody would say that it does not."""
        self._windows.check(backend, target)
        known = self._profiles.profile(backend, target.model)
        refused = preflight.overflow_refusal(
            target,
            rough=self._rough(target),
            max_tokens=self._request.max_tokens,
            calibration=known,
            count=lambda: self._count(known, target),
        )
        if refused is not None:
            raise refused

    def learn(self, backend: str, target: Target, usage: Usage) -> None:
        """Learn from its true length."""
        roughly = self._rough(target)
        true = usage.prompt_tokens
        if preflight.counted_whole_prompt(target, rough=roughly, true=true):
            self._profiles.prompt_counted(backend, target.model, roughly, usage, lambda: self._counted(target))

    def _rough(self, target: Target) -> int:
        """Guess it from its size, with documents as ``target`` gets them."""
        if self._guessed is None:
            self._guessed = request_count.quick_estimate(conversation_of(self._request), self._info.body_bytes)
        return max(0, self._guessed + self._as_texts) if target.documents_as_text else self._guessed

    def _counted(self, target: Target) -> Deferred[int]:
        """Count it with care, in turns."""
        count = Count(conversation_of(self._request), self.texts, target.strip_attribution)
        return Deferred.fromCoroutine(self._pace.finish(count.step)).addCallback(lambda _: count.tokens)

    def _count(self, known: ModelProfile, target: Target) -> int:
        """Count it with care now: about 10 ms for a large conversation; a huge one is guessed from its size."""
        if self._info.body_bytes > request_count.MAX_BYTES_AT_ONCE:
            return round(self._rough(target) * known.ratio / known.count_ratio)
        return request_count.count(
            conversation_of(self._request), strip_attribution=target.strip_attribution, documents=self.texts
        )
