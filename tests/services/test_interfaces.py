"""Promises of the seams: who stands on one side fits the other, and nothing secret shows."""

from __future__ import annotations

import inspect

import pytest

from claude_bridge.config.schema import Backend
from claude_bridge.edge.responses import JsonResponse, StreamResponse
from claude_bridge.services import fetch, interfaces
from claude_bridge.services.accounting.request_log import RequestLog
from claude_bridge.services.breaker import CircuitAdmission, CircuitBreakers, NoAdmission, NoBreaker
from claude_bridge.services.documents.texts import PdfTexts
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.model_lists import CachedModelLists
from claude_bridge.services.remote_tokenizers import RemoteTokenizers
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.services.upstream.call import Call
from claude_bridge.services.upstream.client import TreqUpstream
from claude_bridge.services.upstream.silence import Silence
from claude_bridge.testing import fakes

SIDES = [
    (interfaces.PushProducer, Call),
    (interfaces.PushProducer, fakes.FakeCall),
    (interfaces.UpstreamReceiver, Attempt),
    (interfaces.UpstreamReceiver, fetch.Receiver),
    (interfaces.UpstreamCall, Call),
    (interfaces.UpstreamCall, fakes.FakeCall),
    (interfaces.UpstreamClient, TreqUpstream),
    (interfaces.UpstreamClient, fakes.FakeUpstreamClient),
    (interfaces.Watch, Silence),
    (interfaces.Watch, StreamResponse),
    (interfaces.Sweep, PeriodicSweep),
    (interfaces.Admission, CircuitAdmission),
    (interfaces.Admission, NoAdmission),
    (interfaces.Admission, fakes.NotedAdmission),
    (interfaces.Breaker, CircuitBreakers),
    (interfaces.Breaker, NoBreaker),
    (interfaces.Breaker, fakes.NotedBreaker),
    (interfaces.ModelLists, CachedModelLists),
    (interfaces.ModelLists, fakes.FixedLists),
    (interfaces.Documents, PdfTexts),
    (interfaces.Documents, fakes.HeldDocuments),
    (interfaces.RemoteTokenizer, RemoteTokenizers),
    (interfaces.RemoteTokenizer, fakes.FixedCounters),
    (interfaces.SearchEngine, fakes.HeldSearch),
    (interfaces.Records, RequestLog),
    (interfaces.Records, fakes.KeptRecords),
    (interfaces.ClientResponse, StreamResponse),
    (interfaces.ClientResponse, JsonResponse),
    (interfaces.ClientResponse, fakes.FakeClientResponse),
]


class ProtocolTests:
    """Both sides of every seam."""

    @pytest.mark.parametrize(("seam", "side"), SIDES)
    def test_methods_take_what_is_given(self, seam: type, side: type) -> None:
        """Every method of a seam is there, with the same parameters in the same order."""
        methods = [name for name, value in vars(seam).items() if inspect.isfunction(value) and name[0] != "_"]
        assert methods
        for name in methods:
            wanted, given = (list(inspect.signature(getattr(one, name)).parameters) for one in (seam, side))
            assert (name, given) == (name, wanted)


class UpstreamRequestTests:
    """A request that carries a credential."""

    def test_nothing_secret_shows(self) -> None:
        """Neither the credential nor a word of the conversation is in what a log or a traceback shows."""
        request = interfaces.UpstreamRequest(
            backend=Backend(name="b"),
            url="http://b/v1/chat/completions",
            headers=(("Authorization", "Bearer topsecret"),),
            body=b"private words",
        )
        assert "topsecret" not in repr(request)
        assert "private" not in repr(request)
