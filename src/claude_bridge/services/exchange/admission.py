"""Every request under way: admits, starts, counts and, at the end, waits for them."""

from __future__ import annotations

from attrs import define, field

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BridgeOverloaded
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.services.exchange.catalogue import Catalogue
from claude_bridge.services.exchange.count_tokens import TokenCounting
from claude_bridge.services.exchange.exchange import Exchange, Services
from claude_bridge.services.interfaces import ClientResponse


@define(eq=False)
class AdmissionControl:
    """Starts runs within the limit.

    :ivar catalogue: the models that clients may ask for.
    :ivar counts: counts prompts.
    """

    services: Services
    catalogue: Catalogue
    counts: TokenCounting
    _active: set[Exchange] = field(factory=set, init=False)

    @property
    def active(self) -> int:
        """Count the requests under way."""
        return len(self._active)

    def run(
        self,
        request: MessagesRequest,
        info: RequestInfo,
        downstream: ClientResponse,
        *,
        credential: Secret | None,
        client_name: str,
        request_id: str,
        peer: str = "",
    ) -> Exchange:
        """Make the run for a request; the caller starts it, and cancels it if the client leaves.

        Raises `BridgeOverloaded` if there are too many already.
        """
        limit = self.services.config.limits.max_streams
        if len(self._active) >= limit:
            raise BridgeOverloaded(f"the bridge already serves {limit} requests; try again shortly", retry_after=1.0)
        run = Exchange(
            services=self.services,
            request=request,
            info=info,
            credential=credential,
            downstream=downstream,
            request_id=request_id,
            client_name=client_name,
            peer=peer,
        )
        run.on_end = lambda: self._active.discard(run)
        self._active.add(run)
        return run
