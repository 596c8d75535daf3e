"""Promises of the limits of clients' keys."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.internet.task import Clock

from claude_bridge.config.schema import ClientKey
from claude_bridge.core.errors import KeyLimited
from claude_bridge.services.keys.client_limits import Allowance, ClientLimits


class Desk:
    """A client with a key that makes requests.

    :ivar clock: tells the time.
    """

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.limits = ClientLimits(self.clock.seconds)
        self.key = ClientKey(name="alice", **limits)

    def begin(self, tokens: int = 10) -> Allowance:
        """Begin a request."""
        allowance = self.limits.allowance(self.key)
        assert allowance is not None
        allowance.begin(lambda: tokens)
        return allowance

    def refused(self, tokens: int = 10) -> tuple[str, float | None]:
        """Return why no request may begin, and the seconds until one may."""
        with pytest.raises(KeyLimited) as caught:
            self.begin(tokens)
        assert (caught.value.status, caught.value.kind) == (429, "rate_limit_error")
        return caught.value.message, caught.value.retry_after


class RequestTests:
    """`rpm`."""

    def test_sliding_minute(self) -> None:
        """So many requests begin in any sixty seconds; the next is told when the oldest is a minute old."""
        desk = Desk(rpm=2)
        desk.begin()
        desk.clock.advance(20)
        desk.begin().end(5)
        desk.clock.advance(10.5)
        told = "the key alice is limited to 2 requests a minute (rpm); try again in 30 s"
        assert desk.refused() == (told, 29.5)
        desk.clock.advance(29.5)
        desk.begin()
        assert desk.refused()[1] == 20

    def test_refused_ones_do_not_count(self) -> None:
        """Who keeps asking is not kept out for it."""
        desk = Desk(rpm=1)
        desk.begin()
        for _ in range(59):
            desk.clock.advance(1)
            desk.refused()
        desk.clock.advance(1)
        desk.begin()


class StreamTests:
    """`max_streams`."""

    def test_under_way(self) -> None:
        """So many requests run at the same time; the next is told to come back shortly, until one has ended."""
        desk = Desk(max_streams=2)
        first, _ = desk.begin(), desk.begin()
        told = "the key alice is limited to 2 requests at the same time (max_streams); try again in 2 s"
        assert desk.refused() == (told, 2.0)
        first.end(0)
        desk.begin()
        desk.refused()

    def test_ended_once(self) -> None:
        """An end counts once, and that of a request that was refused, or never began, not at all."""
        desk = Desk(max_streams=1)
        allowance = desk.begin()
        late = desk.limits.allowance(desk.key)
        assert late is not None
        with pytest.raises(KeyLimited):
            late.begin(lambda: 1)
        late.end(5)
        desk.refused()
        allowance.end(None)
        allowance.end(None)
        desk.begin()
        desk.refused()


class TokenTests:
    """`tpm`."""

    def test_estimate_is_corrected(self) -> None:
        """A request counts with its estimate until it ends, and then with what it has used, more or less."""
        desk = Desk(tpm=1000)
        less, more = desk.begin(600), desk.begin(300)
        told = "the key alice is limited to 1,000 tokens a minute (tpm); try again in 2 s"
        assert desk.refused(200) == (told, 2.0)
        less.end(50)
        desk.begin(200).end(0)
        more.end(900)
        assert desk.refused(60)[1] == 60
        desk.begin(50)

    def test_unknown_use(self) -> None:
        """Where nobody knows what was used, the estimate counts."""
        desk = Desk(tpm=1000)
        desk.begin(800).end(None)
        desk.clock.advance(15)
        assert desk.refused(300)[1] == 45

    def test_larger_than_the_limit(self) -> None:
        """A request of more than a minute's tokens is answered when nothing else was used: else it never would."""
        desk = Desk(tpm=1000)
        desk.begin(5000).end(6000)
        desk.clock.advance(59)
        desk.refused(1)
        desk.clock.advance(1)
        desk.begin(5000)

    def test_is_asked_only_for_this(self) -> None:
        """Where tokens are not limited nobody estimates them."""
        allowance = Desk(rpm=5).limits.allowance(ClientKey(name="bob", rpm=5))
        assert allowance is not None
        allowance.begin(lambda: pytest.fail("estimated"))


class KeyTests:
    """Whose limits they are."""

    def test_each_key_has_its_own(self) -> None:
        """What one client uses is nothing to another one."""
        desk = Desk(rpm=1)
        desk.begin()
        desk.refused()
        desk.key = evolve(desk.key, name="bob")
        desk.begin()

    def test_no_key(self) -> None:
        """A client without a key has no limits."""
        assert Desk().limits.allowance(None) is None

    def test_no_limits(self) -> None:
        """Neither has a key that sets none."""
        desk = Desk()
        for _ in range(1000):
            desk.begin(10**9)

    def test_other_limits(self) -> None:
        """After a reload the new limits hold, and what was used before still counts."""
        desk = Desk(rpm=2, max_streams=5)
        running = [desk.begin(), desk.begin()]
        desk.key = evolve(desk.key, rpm=3)
        desk.begin()
        assert "3 requests a minute" in desk.refused()[0]
        desk.key = evolve(desk.key, rpm=None, max_streams=3)
        assert "3 requests at the same time" in desk.refused()[0]
        running[0].end(1)
        desk.begin()
