"""Promises of what lives as long as the daemon, whatever its configuration becomes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import Agent

from claude_bridge.config.schema import Config
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.redaction import HIDDEN, Redactor
from claude_bridge.daemon.process import Process, make_process
from claude_bridge.release import product
from claude_bridge.services.accounting.ledger import BufferedLedger
from claude_bridge.services.backend_slots import Slot
from claude_bridge.services.interfaces import LedgerState, SessionName
from claude_bridge.services.upstream.client import BackendConnections
from claude_bridge.services.upstream.pool import IdleConnections
from tests.services.accounting.test_request_log import RECORD
from tests.services.exchange.stage import ONE, configured

MOVED = ONE.replace("http://", "http://other.")


def made(config: Config, redactor: Redactor | None = None, **more: Any) -> Process:
    """Make a process of which nothing is real."""
    return make_process(config, MemoryReactorClock(), redactor or Redactor(()), **more)


def follow(process: Process, text: str) -> Process:
    """Let another configuration come into force."""
    config = configured(text)
    process.follow(config, process.profiles_for(config))
    return process


class LifeTests:
    """From the start to the exit."""

    def test_making_starts_nothing(self) -> None:
        """Nothing opens a port or starts a timer before the start, so that a configuration can be tried out."""
        process = made(configured(ONE))
        assert (process.clock.tcpServers, process.clock.tcpClients, process.clock.getDelayedCalls()) == ([], [], [])
        assert not process.ready

    def test_start_and_stop(self) -> None:
        """What was started is stopped, with nothing left that ticks."""
        process = made(configured(ONE))
        process.start()
        assert process.ready
        done: list[object] = []
        process.stop().addCallback(done.append)
        process.clock.advance(10)
        assert len(done) == 1
        assert process.clock.getDelayedCalls() == []

    def test_snapshot(self, tmp_path: Path) -> None:
        """It tells who and since when it is, and what goes on, in values that stay as they are."""
        now = [5.0]
        process = made(configured(ONE), seconds=lambda: now[0], state_directory=str(tmp_path))
        process.unix_time = lambda: 1_700_000_000.0
        process.start()
        process.profiles.profile("box", "m")
        process.running.exchanges = 3
        now[0] = 7.5
        seen = process.snapshot()
        assert (seen.product, seen.ready, seen.exchanges, seen.profiles) == (product(), True, 3, 1)
        assert (seen.started, seen.uptime_seconds) == (1_700_000_000.0, 2.5)
        assert (seen.state_file, seen.listeners) == (str(tmp_path / "learned.json"), ())
        process.state.stop()


class FollowTests:
    """Another configuration."""

    def test_what_is_hidden(self) -> None:
        """Keys of the new configuration are hidden from now on, and those of the old one still."""
        redactor = Redactor(["the-old-secret-key"])
        process = made(configured(ONE), redactor)
        keyed = ONE.replace("= none", "= keys") + "[key:a]\nsecret = a-new-secret-key\n"
        follow(process, keyed)
        assert redactor("the-old-secret-key and a-new-secret-key") == f"{HIDDEN} and {HIDDEN}"

    @pytest.mark.parametrize(("level", "detailed"), [("debug", True), ("warn", False)])
    def test_what_is_logged(self, level: str, detailed: bool) -> None:
        """The log's level is the new one's, and whether each attempt has a line of its own."""
        levels: list[str] = []
        process = made(configured(ONE), set_log_level=levels.append)
        process.request_log.detailed = not detailed
        follow(process, ONE + f"[log]\nlevel = {level}\n")
        assert (levels, process.request_log.detailed) == ([level], detailed)

    def test_what_was_learned(self) -> None:
        """What was learned of models is known on, unless their backend is at another address now."""
        process = made(configured(ONE))
        process.profiles.profile("box", "m").context_window = 9
        process = follow(process, ONE + "[limits]\nmax_streams = 3\n")
        assert process.profiles.profile("box", "m").context_window == 9
        process = follow(process, MOVED)
        assert process.profiles.profile("box", "m").context_window is None

    def test_old_exchanges_do_not_teach(self) -> None:
        """What exchanges that are still with the old address learn is not believed of the new one."""
        process = made(configured(ONE))
        old = process.profiles
        follow(process, MOVED)
        old.profile("box", "m").context_window = 9
        assert process.profiles.profile("box", "m").context_window is None

    def test_what_was_found_out(self) -> None:
        """A dialect that was found out is known on, unless the address or the key `dialect` changed."""
        process = made(configured(ONE))
        (backend,) = process.backends.values()
        process.detection.observe(backend, Clues(owners=("vllm",)))
        (same,) = follow(process, ONE + "[limits]\nmax_streams = 3\n").backends.values()
        assert process.detection.dialect_of(same).dialect.name == "vllm"
        (moved,) = follow(process, MOVED).backends.values()
        assert process.detection.dialect_of(moved).dialect.name == "generic"

    def test_authority(self) -> None:
        """Connections that trust a file of certificates are made anew: the file may have changed."""
        plain = configured(ONE)
        (backend,) = plain.backends.values()
        trusting = evolve(backend, name="trusting", ca_file="/etc/ca.pem")
        config = evolve(plain, backends={"box": backend, "trusting": trusting})
        process = made(config)
        pool = IdleConnections(process.clock, 1)
        for each in (backend, trusting):
            process.upstream._lines[each] = BackendConnections(pool, HTTPClient(Agent(process.clock)))
        process.follow(config, process.profiles_for(config))
        assert list(process.upstream._lines) == [backend]

    def test_limits_of_backends(self) -> None:
        """A higher limit admits those who wait for a backend, also for a request that began before."""
        limited = configured(ONE.replace("url =", "max_streams = 1\nurl ="))
        process = made(limited)
        held, waiting = (process.slots.acquire(limited.backends["box"]) for _ in range(2))
        assert (isinstance(held, Slot), process.slots.figures("box")) == (True, (1, 1))
        follow(process, ONE.replace("url =", "max_streams = 2\nurl ="))
        assert isinstance(waiting, Deferred)
        assert process.slots.figures("box") == (2, 0)

    def test_unused_is_forgotten(self) -> None:
        """Of backends that nobody has any more nothing is kept in memory."""
        process = made(configured(ONE))
        (backend,) = process.backends.values()
        process.detection.observe(backend, Clues(owners=("vllm",)))
        process.slots.limits_changed([evolve(backend, max_streams=1)])
        process.keep_only(())
        assert process.slots._pools == {}
        assert process.detection.dialect_of(backend).dialect.name == "generic"


class LedgerTests:
    """The accounts."""

    def test_every_record_is_kept(self, tmp_path: Path) -> None:
        """Where there is a state directory the ledger gets each request, beside the log and the tally."""
        process = made(configured(ONE), state_directory=str(tmp_path))
        process.records.request_ended(RECORD)
        assert isinstance(process.ledger, BufferedLedger)
        assert (process.ledger.path, process.ledger.waiting) == (str(tmp_path / "ledger.sqlite"), 1)
        assert process.tally.totals.requests == 1

    def test_state_is_seen(self, tmp_path: Path) -> None:
        """The owner sees where the accounts are, and what waits to be written."""
        process = made(configured(ONE), state_directory=str(tmp_path))
        process.records.request_ended(RECORD)
        told = LedgerState(file=str(tmp_path / "ledger.sqlite"), waiting=1, dropped=0, written=None, trouble="")
        assert process.snapshot().ledger == told

    def test_sessions_go_on(self, tmp_path: Path) -> None:
        """The ledger is asked for the earlier figures of a session; without one they are whole at once."""
        for directory, whole in ((str(tmp_path), False), (None, True)):
            process = made(configured(ONE), state_directory=directory)
            process.records.request_ended(RECORD)
            session = process.tally.session(SessionName("", RECORD.session))
            assert session is not None
            assert session.is_complete == whole

    @pytest.mark.parametrize("text", ["", "[ledger]\nenabled = yes\n"])
    def test_no_state_directory(self, text: str) -> None:
        """Without a directory nothing is kept."""
        assert made(configured(ONE + text)).ledger is None

    def test_not_wanted(self, tmp_path: Path) -> None:
        """Nothing is kept if the file says so."""
        assert made(configured(ONE + "[ledger]\nenabled = no\n"), state_directory=str(tmp_path)).ledger is None

    def test_reload(self, tmp_path: Path) -> None:
        """Another configuration says how long requests are kept from now on; the ledger stays."""
        process = made(configured(ONE), state_directory=str(tmp_path))
        ledger = process.ledger
        assert ledger is not None
        assert ledger.keep == 90 * 86_400
        follow(process, ONE + "[ledger]\nkeep = 2d\n")
        assert process.ledger is ledger
        assert ledger.keep == 2 * 86_400

    @pytest.mark.parametrize("enabled", ["yes", "no"])
    def test_the_start_imports_no_database(self, enabled: str, tmp_path: Path) -> None:
        """A start does not wait for SQLite: it is imported with the first request, and never if it is not wanted."""
        config = f"[ledger]\nenabled = {enabled}\n"
        program = (
            "import sys\n"
            "from twisted.internet import reactor\n"
            "from claude_bridge.config.load import parse, read_file\n"
            "from claude_bridge.core.redaction import Redactor\n"
            "from claude_bridge.daemon.process import make_process\n"
            f"process = make_process(parse({config!r}, {{}}, read_file), reactor, Redactor(()), "
            f"state_directory={str(tmp_path)!r})\n"
            "process.start()\n"
            "print('sqlite3' in sys.modules, 'twisted.enterprise.adbapi' in sys.modules, process.ledger is not None)\n"
        )
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert told.stdout.split() == ["False", "False", str(enabled == "yes")]
