"""Whose a session is, and what is known of a credential to say so."""

from __future__ import annotations

import hashlib
import hmac
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from claude_bridge.config.secret import Secret
from claude_bridge.services.accounting.owners import FILE, KEY_BYTES, Owners

ONE, OTHER = Secret("sk-one-0123456789"), Secret("sk-other-0123456789")


@pytest.fixture
def warnings() -> Iterator[list[LogEvent]]:
    """Yield what is logged of keys that cannot be kept."""
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def keep(event: LogEvent) -> None:
        if event.get("event") == "session-owners":
            events.append(event)

    globalLogPublisher.addObserver(keep)
    yield events
    globalLogPublisher.removeObserver(keep)


class NameTests:
    """The names of owners."""

    def test_keys_and_credentials(self) -> None:
        """Each key and each credential is an owner of its own, and no key can be called what a credential is."""
        owners = Owners(directory=None)
        names = {owners.of_key("anna"), owners.of_key("bob"), owners.of_credential(ONE), owners.of_credential(OTHER)}
        assert len(names) == 4
        assert owners.of_credential(ONE) == owners.of_credential(Secret(ONE.reveal()))
        assert not owners.of_credential(ONE).startswith("key:")
        assert owners.of_key("").startswith("key:")

    def test_nobody(self) -> None:
        """Without a credential there is nobody in particular, and no key is made for that."""
        owners = Owners(directory="/proc/nowhere")
        assert owners.of_credential(None) == ""

    def test_fingerprint(self, tmp_path: Path) -> None:
        """It is the HMAC of the credential, so that only who has the key can try out credentials."""
        owners = Owners(directory=str(tmp_path), random_bytes=lambda count: b"k" * count)
        expected = hmac.new(b"k" * KEY_BYTES, ONE.reveal().encode(), hashlib.sha256).hexdigest()
        assert owners.of_credential(ONE) == expected
        assert "kkkk" not in repr(owners)

    def test_stays_what_ledgers_have(self) -> None:
        """The fingerprint of a credential is the same in every version, whatever was asked for in between."""
        owners = Owners(directory=None, random_bytes=lambda count: b"k" * count)
        kept = "3ca363f95ad0ded9821faf40d67181bcb602d63ed7c631150ee1bf7581450345"
        assert [owners.of_credential(each) == kept for each in (ONE, OTHER, ONE)] == [True, False, True]

    def test_any_characters(self) -> None:
        """A header may hold any bytes."""
        owners = Owners(directory=None)
        assert owners.of_credential(Secret("\xff\ud800")) != owners.of_credential(Secret("\xff"))


class KeyTests:
    """The key of the fingerprints."""

    def test_is_made_at_first_need(self, tmp_path: Path) -> None:
        """Nothing is written before somebody forwards a credential; then it is for the owner's eyes alone."""
        owners = Owners(directory=str(tmp_path / "state"))
        owners.of_key("anna")
        assert list(tmp_path.iterdir()) == []
        owners.of_credential(ONE)
        file = tmp_path / "state" / FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert (file.stat().st_size, [each.name for each in file.parent.iterdir()]) == (KEY_BYTES, [FILE])

    def test_survives(self, tmp_path: Path) -> None:
        """A restart, and another bridge in the same directory, know the same owners."""
        first = Owners(directory=str(tmp_path)).of_credential(ONE)
        assert Owners(directory=str(tmp_path)).of_credential(ONE) == first

    def test_without_a_directory(self) -> None:
        """Where nothing is kept a restart knows nobody."""
        assert Owners(directory=None).of_credential(ONE) != Owners(directory=None).of_credential(ONE)

    @pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 100])
    def test_damaged(self, tmp_path: Path, damaged: bytes) -> None:
        """A file that holds something else is replaced."""
        (tmp_path / FILE).write_bytes(damaged)
        first = Owners(directory=str(tmp_path)).of_credential(ONE)
        assert Owners(directory=str(tmp_path)).of_credential(ONE) == first
        assert (tmp_path / FILE).stat().st_size == KEY_BYTES

    def test_another_process_was_faster(self, tmp_path: Path) -> None:
        """Of two processes that make a key at the same time both use the one that stays."""
        other = Owners(directory=str(tmp_path))
        names: list[str] = []

        def meanwhile(count: int) -> bytes:
            names.append(other.of_credential(ONE))
            return b"k" * count

        names.append(Owners(directory=str(tmp_path), random_bytes=meanwhile).of_credential(ONE))
        assert names[0] == names[1]

    def test_cannot_be_kept(self, tmp_path: Path, warnings: list[LogEvent]) -> None:
        """Where it cannot be kept the fingerprints hold for the process, and one line says what that costs."""
        (tmp_path / FILE).mkdir()
        owners = Owners(directory=str(tmp_path))
        assert owners.of_credential(ONE) == owners.of_credential(ONE)
        assert owners.of_credential(ONE) != owners.of_credential(OTHER)
        (told,) = warnings
        assert told["path"] == str(tmp_path / FILE)
