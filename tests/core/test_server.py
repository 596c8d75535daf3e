"""Tests for `claude_bridge.core.server`."""

from __future__ import annotations

import pytest
from attrs import frozen

from claude_bridge.core.backend_api import Clues, first_recognised
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.server import Server


@frozen
class Example(Server):
    """A server with hosts of its own."""

    name = "example"
    hosts = ("api.example.com", ".eu.example.com")


class RecognitionTests:
    """By what a server is known."""

    @pytest.mark.parametrize("host", ["api.example.com", "a.eu.example.com", "a.b.eu.example.com"])
    def test_hosts(self, host: str) -> None:
        """Its hosts, and those below a name with a leading dot."""
        assert Example().recognised(Clues(host=host)) == f"host {host}"

    @pytest.mark.parametrize("host", ["", "example.com", "eu.example.com", "xapi.example.com", "api.example.com.x"])
    def test_others(self, host: str) -> None:
        """No other host."""
        assert Example().recognised(Clues(host=host)) == ""
        assert Server().recognised(Clues(host=host)) == ""

    def test_decision(self) -> None:
        """It is a dialect that the services can choose."""
        decision = first_recognised((Server(), Example()), Clues(host="api.example.com"))
        assert decision is not None
        assert decision.dialect.name == "example"


class EveryDialectTests:
    """The servers of all kinds of backends."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_common_terms(self, kind: str) -> None:
        """Each is one, has a name of its own, and says in words what it is."""
        for name, dialect in KINDS[kind].dialects.items():
            assert isinstance(dialect, Server)
            assert dialect.name == name
            assert dialect.server
