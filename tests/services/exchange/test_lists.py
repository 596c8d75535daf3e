"""Promises of asking all backends for their models."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.services.exchange.lists import all_lists
from claude_bridge.services.interfaces import ModelInfo
from claude_bridge.testing.fakes import FixedLists
from tests.services.exchange.stage import HangingLists, configured, models

TWO = "[backend:default]\nurl = http://one/v1\n[backend:two]\nurl = http://two/v1\n"


class AllListsTests:
    """Every backend's list, asked for at once."""

    def test_each_with_its_backend(self) -> None:
        """The lists come in the order of the configuration, and only the home backend sees the client's key."""
        lists = FixedLists({"two": models("b")})
        found: list[list[tuple[Backend, tuple[ModelInfo, ...]]]] = []
        Deferred.fromCoroutine(all_lists(configured(TWO), lists, Secret("mine"))).addCallback(found.append)
        assert [(backend.name, infos) for backend, infos in found[0]] == [("default", ()), ("two", models("b"))]
        assert lists.asked == [("default", "mine"), ("two", None)]

    def test_client_that_leaves(self) -> None:
        """Backends that hang are asked at once; a wait that is given up is given up, and is no fault."""
        lists = HangingLists()
        failures: list[Failure] = []
        asking = Deferred.fromCoroutine(all_lists(configured(TWO), lists, None))
        asking.addErrback(failures.append)
        assert lists.asked == ["default", "two"]
        asking.cancel()
        assert [failure.type for failure in failures] == [CancelledError]
