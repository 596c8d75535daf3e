"""``count_tokens``: by the backend's own tokenizer if it has one, else a local count corrected by what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define
from twisted.internet.defer import FirstError, gatherResults

from claude_bridge.config.secret import Secret
from claude_bridge.core import conversation
from claude_bridge.core.backend_api import Target
from claude_bridge.core.errors import AuthenticationFailed, InvalidRequest, NotFound
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.messages_api.routing_facts import RoutingFacts
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.tokens.estimator import rough_tokens
from claude_bridge.core.tokens.request_count import Count
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.exchange.resolver import CandidateResolver
from claude_bridge.services.interfaces import Documents, RemoteTokenizer, TurnOwner
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.pace import Pace

NOBODY: Final = TurnOwner()


@define(kw_only=True)
class TokenCounting:
    """Counts prompts as the model that would answer them receives them."""

    _resolver: CandidateResolver
    _keys: KeyRing
    _profiles: ModelProfiles
    _tokenizers: RemoteTokenizer
    _documents: Documents
    _pace: Pace

    async def count(
        self,
        request: AskedRequest,
        info: RequestInfo,
        credential: Secret | None,
        client: TurnOwner = NOBODY,
        *,
        key: str = "",
    ) -> int:
        """Return the input tokens of a request; raise `InvalidRequest` with the path of a malformed block.

        Requests for an unknown model are counted too: Claude Code counts before it asks. A block that only the bridge
        does not know is no obstacle where the request is passed on. ``client`` waits for the request's documents;
        ``key`` is the name of its ``[key:NAME]``. Raises `ModelNotAllowed` for a model that it may not use.
        """
        asked = request.request
        unreadable = await self._read(asked)
        if unreadable is not None and request.original is None:
            raise unreadable
        try:
            plan = await self._resolver.plan(asked.model, credential, RoutingFacts(asked, info), key)
            candidate = await plan.candidate(plan.steps[0])
        except NotFound:
            return await self._count_locally(Count(conversation_of(asked)))
        if unreadable is not None and not candidate.kind.passes_through:
            raise unreadable
        backend = candidate.backend.name
        target = self._profiles.with_overrides(backend, candidate.target)
        texts = await self._texts(asked, target, client)
        remote_count = await self._count_remotely(candidate, target, request, texts, credential)
        if remote_count is not None:
            return remote_count
        if unreadable is not None:
            return self._profiles.corrected_count(backend, target.model, rough_tokens(info.body_bytes))
        local_count = await self._count_locally(Count(conversation_of(asked), texts, target.strip_attribution))
        return self._profiles.corrected_count(backend, target.model, local_count)

    async def _read(self, asked: MessagesRequest) -> InvalidRequest | None:
        """Read a request's messages; return the error if that cannot be done."""
        try:
            reading = self._pace.read(asked)
            if reading is not None:
                await reading
        except InvalidRequest as error:
            return error.with_traceback(None)
        return None

    async def _count_locally(self, count: Count) -> int:
        await self._pace.finish(count.step)
        return count.tokens

    async def _texts(self, asked: MessagesRequest, target: Target, client: TurnOwner) -> Mapping[str, str]:
        """Return the text of each document that would be sent as text."""
        pdfs = conversation.pdfs(conversation_of(asked)) if target.documents_as_text else []
        try:
            reading = [self._documents.text(each, client) for each in pdfs]
            texts: list[str] = await gatherResults(reading, consumeErrors=True)
        except FirstError as error:  # the client left, and all of them were cancelled
            error.subFailure.raiseException()
        return dict(zip(pdfs, texts, strict=True))

    async def _count_remotely(
        self,
        candidate: Candidate,
        target: Target,
        asked: AskedRequest,
        texts: Mapping[str, str],
        credential: Secret | None,
    ) -> int | None:
        """Return the backend's own count of what it would be sent; None if it cannot count, or nothing can be sent."""
        if target.tokenizer is None:
            return None
        try:
            key = self._keys.for_count(candidate.backend, credential)
            work = target.preparation(asked)
            if work is not None:
                await self._pace.finish(work.step)
            prepared = target.prepare(asked, documents=texts)
        except (AuthenticationFailed, InvalidRequest):
            return None  # the local count raises for a malformed request
        counted = await self._tokenizers.count(
            candidate.backend, target.tokenizer, key, prepared, forwarded=not candidate.backend.has_key
        )
        if counted is None:
            return None
        if counted.window is not None and target.context_window is None:
            self._profiles.profile(candidate.backend.name, target.model).saw_window(counted.window)
        return counted.tokens
