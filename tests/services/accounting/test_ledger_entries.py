"""What the ledger keeps of a record, and what it never keeps."""

from __future__ import annotations

import pytest
from attrs import evolve

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting.ledger_entries import entry_of
from claude_bridge.services.accounting.store.entries import MAX_COST, MAX_TOKENS
from tests.services.accounting.test_request_log import ATTEMPT, RECORD


class EntryTests:
    """The entry of a request."""

    def test_of_a_request(self) -> None:
        """Names, milliseconds, tokens and cost are those of the record; the model is named without its mark."""
        usage = Usage(1, 2, 3, 4, 5, estimated=True)
        attempt = evolve(
            ATTEMPT, started=9.0, seconds=2.5, first_token_seconds=0.25, usage=usage, cost=77, price_from="file"
        )
        entry = entry_of(
            evolve(RECORD, model="m@claude-bridge", started=8.5, seconds=3.0, agent_type="Explore", attempts=(attempt,))
        )
        assert (entry.model, entry.agent_type, entry.started, entry.milliseconds) == ("m", "Explore", 8500, 3000)
        (kept,) = entry.attempts
        assert (kept.started, kept.milliseconds, kept.first_token) == (9000, 2500, 250)
        assert (kept.input, kept.output, kept.cache_read, kept.cache_write, kept.thinking) == (1, 2, 3, 4, 5)
        assert (kept.estimated, kept.cost, kept.price_from) == (True, 77, "file")

    def test_unknown(self) -> None:
        """What is not known is None, not 0."""
        entry = entry_of(evolve(RECORD, first_byte_seconds=None, attempts=(evolve(ATTEMPT, usage=None),)))
        (kept,) = entry.attempts
        assert (entry.first_byte, kept.input, kept.output, kept.thinking, kept.cost) == (None,) * 5

    @pytest.mark.parametrize(
        ("client", "credentials", "key"),
        [("alice", ("client",), "alice"), ("", ("box/1", "client"), "client"), ("", ("box",), ""), ("", (), "")],
    )
    def test_key(self, client: str, credentials: tuple[str, ...], key: str) -> None:
        """The client's key has its name; a credential that was passed on is called `client`."""
        attempts = tuple(evolve(ATTEMPT, credential=each) for each in credentials)
        assert entry_of(evolve(RECORD, client=client, attempts=attempts)).key == key

    def test_owner(self) -> None:
        """Whose the session is is kept as it is: two names that begin alike are two owners."""
        owner = "key:" + "x" * 500
        assert entry_of(evolve(RECORD, owner=owner)).owner == owner

    def test_no_address_and_no_text_of_an_error(self) -> None:
        """Who asked from where, and what an error said, is not kept."""
        entry = entry_of(evolve(RECORD, peer="10.9.8.7", reason="secret words", outcome="invalid_request"))
        assert "10.9.8.7" not in repr(entry)
        assert "secret words" not in repr(entry)

    def test_what_no_database_takes(self) -> None:
        """Broken characters, endless names and absurd numbers become ones that any database takes."""
        usage = Usage(2**70, -5)
        entry = entry_of(
            evolve(RECORD, model="\ud800" + "x" * 500, attempts=(evolve(ATTEMPT, usage=usage, cost=2**70),))
        )
        assert entry.model == "?" + "x" * 127
        assert (entry.attempts[0].input, entry.attempts[0].output) == (MAX_TOKENS, 0)
        assert entry.attempts[0].cost == MAX_COST

    def test_clock_set_back(self) -> None:
        """A length of time that a changed clock made negative is none."""
        assert entry_of(evolve(RECORD, seconds=-3.0)).milliseconds == 0

    def test_no_time(self) -> None:
        """A time that is no number is an error, which costs this one record alone."""
        with pytest.raises(ValueError, match="NaN"):
            entry_of(evolve(RECORD, started=float("nan")))
