"""Promises of what is told of a changed configuration."""

from __future__ import annotations

import pytest

from claude_bridge.config.changes import AT_START, as_far_as_possible, changes
from tests.services.exchange.stage import ONE, configured

KEYED = ONE.replace("= none", "= keys") + "[key:alice]\nsecret = alices-secret-key\n"


class ChangesTests:
    """What differs."""

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            (ONE, ONE, ()),
            (ONE, "# a comment\n" + ONE, ()),
            (ONE, ONE + "[limits]\nmax_streams = 3\nmax_images = 2\n", ("[limits] max_streams", "[limits] max_images")),
            (ONE, KEYED, ("[server] credentials", "[key:alice] added")),
            (KEYED, ONE, ("[server] credentials", "[key:alice] removed")),
            (KEYED, KEYED.replace("alices", "bobs"), ("[key:alice] secret",)),
            (ONE, ONE.replace("http://", "http://other."), ("[backend:box] url",)),
            (ONE, ONE + "[log]\nlevel = debug\n", ("[log] level",)),
        ],
    )
    def test_told(self, old: str, new: str, told: tuple[str, ...]) -> None:
        """Each key that changed, and each section that came or went; a value is never told."""
        assert changes(configured(old), configured(new)) == told

    def test_order(self) -> None:
        """The order of the sections matters where nothing else says which comes first."""
        one, two = "[model:a]\nbackend = box\n", "[model:b]\nbackend = box\n"
        assert changes(configured(ONE + one + two), configured(ONE + two + one)) == ("[model:*] in another order",)


class StartTests:
    """What only a start can do."""

    def test_stays(self) -> None:
        """A running daemon keeps sockets, state directory, ledger and its log's form; all else follows."""
        running = configured(ONE)
        wanted = configured(
            "[server]\nlisten = tcp:1:interface=127.0.0.1\nstate_dir = none\nping_interval = 3\n"
            + ONE.partition("[server]")[2].partition("\n")[2]
            + "[log]\nformat = text\nlevel = debug\n"
            + "[ledger]\nenabled = no\ndatabase = /srv/ledger.sqlite\nkeep = 30d\n"
        )
        possible = as_far_as_possible(running, wanted)
        assert set(changes(possible, wanted)) == set(AT_START)
        assert set(changes(running, possible)) == {"[server] ping_interval", "[log] level", "[ledger] keep"}
