"""The length of one request's prompt, for the model that gets it; learns from its true length.

What of the prompt must be read or worked on before it is sent is known here too: the length depends on it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred

from claude_bridge.core import conversation
from claude_bridge.core.backend_api import Preparation, Target
from claude_bridge.core.conversation import NO_DOCUMENTS
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import Usage
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.tokens import preflight, request_count
from claude_bridge.core.tokens.estimator import rough_tokens
from claude_bridge.core.tokens.request_count import Count
from claude_bridge.services.knowledge.profiles import ModelProfile, ModelProfiles
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.pace import HUGE, Pace

MANY_BYTES: Final = 256 * 1024
"""Bytes from which on a request that is passed on is searched for images: in a smaller one they are no great part."""

_MEDIA: Final = b'"base64"'


@define(eq=False, kw_only=True)
class PromptSize:
    """The length of a prompt in the tokens of any model.

    :ivar texts: base64 text of a PDF -> its text, as far as the documents were read.
    """

    _request: MessagesRequest
    _info: RequestInfo
    _profiles: ModelProfiles
    _windows: WindowWarnings
    _pace: Pace
    texts: Mapping[str, str] = field(default=NO_DOCUMENTS, init=False)
    _texts_minus_documents: int = field(default=0, init=False)
    _from_size: int | None = field(default=None, init=False)
    _has_media: bool | None = field(default=None, init=False)
    _work_done: frozenset[Hashable] = field(default=frozenset(), init=False)  # an empty set of its own is 216 bytes

    @property
    def is_huge(self) -> bool:
        """Whether the request is so large that each pass over it takes a turn of the reactor."""
        return self._info.body_bytes > HUGE

    def pending_documents(self, target: Target) -> list[str]:
        """Return the documents, in base64, that ``target`` needs as text and that are not read yet."""
        if not target.documents_as_text:
            return []
        asked = conversation_of(self._request)
        if not asked.media:
            return []
        return [data for data in conversation.pdfs(asked) if data not in self.texts]

    def pending_work(self, target: Target, asked: AskedRequest) -> Preparation | None:
        """Return what ``target`` has to be done to the request first, if it was not done yet; it counts as done now."""
        work = target.preparation(asked)
        if work is None or work.key in self._work_done:
            return None
        self._work_done |= {work.key}
        return work

    def add_texts(self, texts: Mapping[str, str]) -> None:
        """Add the texts of documents that were read."""
        self.texts = {**self.texts, **texts}
        self._texts_minus_documents += request_count.text_difference(texts)

    def estimate(self, backend: str, target: Target) -> int:
        """Return a rough count of its tokens, corrected by what is known of the model's prompts."""
        return self._profiles.estimate(backend, target.model, self._rough(target))

    def check(self, backend: str, target: Target, profile: ModelProfile, *, is_only: bool = True) -> int:
        """Return the estimate of its tokens; raise `ContextOverflow` if it certainly does not fit.

        Warns once of a server that truncates silently. ``is_only``: whether no other model can answer instead.
        """
        self._windows.check(backend, target)
        rough = self._rough(target)
        overflow = preflight.overflow_refusal(
            target,
            rough=rough,
            max_tokens=self._request.max_tokens,
            calibration=profile,
            count=lambda: self._count_now(profile, target),
            is_only=is_only,
        )
        if overflow is not None:
            raise overflow
        return profile.estimate(rough)

    def learn(self, backend: str, target: Target, usage: Usage) -> None:
        """Learn from its true length, unless the backend reads the request as it was received."""
        if target.passes_through:
            return
        roughly = self._rough(target)
        true = usage.prompt_tokens
        if preflight.counted_whole_prompt(target, rough=roughly, true=true):
            self._profiles.prompt_counted(backend, target.model, roughly, usage, lambda: self._count_in_turns(target))

    def _rough(self, target: Target) -> int:
        """Return a rough count by the prompt's size, with documents as ``target`` gets them."""
        if target.passes_through and self._from_size is None and not self._may_have_media():
            return rough_tokens(self._info.body_bytes)
        if self._from_size is None:
            self._from_size = self._quick_estimate(must_be_read=not target.passes_through)
        if not target.documents_as_text:
            return self._from_size
        return max(0, self._from_size + self._texts_minus_documents)

    def _quick_estimate(self, *, must_be_read: bool) -> int:
        """Return a count by the size without images and documents; with them if the request cannot be read."""
        try:
            asked = conversation_of(self._request)
        except InvalidRequest:
            if must_be_read:
                raise
            return rough_tokens(self._info.body_bytes)
        return request_count.quick_estimate(asked, self._info.body_bytes)

    def _may_have_media(self) -> bool:
        """Return whether images or documents may be a large part of the request: their bytes are no tokens."""
        if self._has_media is None:
            contents = (each.content for each in self._request.messages if not isinstance(each.content, str))
            self._has_media = self._info.body_bytes >= MANY_BYTES and any(
                _MEDIA in bytes(block) for content in contents for block in content
            )
        return self._has_media

    def _count_in_turns(self, target: Target) -> Deferred[int]:
        """Return a careful count, made in turns of the reactor."""
        count = Count(conversation_of(self._request), self.texts, target.strip_attribution)
        return Deferred.fromCoroutine(self._pace.finish(count.step)).addCallback(lambda _: count.tokens)

    def _count_now(self, profile: ModelProfile, target: Target) -> int:
        """Return a careful count, made now: about 10 ms for a large conversation; a huge one is only estimated."""
        if self._info.body_bytes > request_count.MAX_BYTES_AT_ONCE:
            return round(self._rough(target) * profile.ratio / profile.count_ratio)
        return request_count.count(
            conversation_of(self._request), strip_attribution=target.strip_attribution, documents=self.texts
        )
