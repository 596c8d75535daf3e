"""Answers requests that need no backend; to know them, a request is read first."""

from __future__ import annotations

from contextlib import suppress

from attrs import frozen

from claude_bridge.config.schema import Limits
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.services.exchange.delivery import Delivery
from claude_bridge.services.exchange.extra_turns import extra_turns
from claude_bridge.services.interfaces import SearchEngine
from claude_bridge.services.pace import Pace


@frozen
class LocalAnswers:
    """Reads requests, and answers those that need no backend."""

    _pace: Pace
    _limits: Limits
    _search: SearchEngine | None
    _random_bytes: RandomBytes

    async def read(self, asked: MessagesRequest, info: RequestInfo) -> None:
        """Read a request's messages, in turns of the reactor if there are many. Raises `InvalidRequest`."""
        reading = self._pace.read(asked, info.body_bytes)
        if reading is not None:
            await reading

    async def can_answer(self, asked: MessagesRequest, info: RequestInfo) -> bool:
        """Return whether a request needs no backend. It is not answered, and an invalid one is left to its backend."""
        with suppress(InvalidRequest):
            await self.read(asked, info)
            return parsing.local_answer(asked, searches=self._search is not None) is not None
        return False

    async def answer(
        self, asked: MessagesRequest, info: RequestInfo, delivery: Delivery, *, has_failed: bool = False
    ) -> bool:
        """Read a request and answer it if it needs no backend; return whether this was one. Raises `InvalidRequest`.

        ``delivery`` knows from then on which extra turns the request may need. ``has_failed``: a backend has failed
        that might have searched the web; its error says more than that the bridge cannot.
        """
        await self.read(asked, info)
        if not delivery.extra_turns:
            delivery.needs(extra_turns(asked, self._search, self._limits, self._random_bytes))
        parsing.check_supported(asked)
        events = parsing.local_answer(asked, searches=self._search is not None)
        if events is None:
            return False
        if has_failed and asked.max_tokens != 0:
            raise InvalidRequest(parsing.NO_WEB_SEARCH)
        delivery.answer_locally(info.model, events)
        return True
