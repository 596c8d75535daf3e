"""Every consumer gets every record."""

from __future__ import annotations

from attrs import define
from twisted.logger import LogEvent

from claude_bridge.services.accounting.fan_out import FanOut
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord
from claude_bridge.testing.fakes import KeptRecords
from tests.services.accounting.test_request_log import ATTEMPT, RECORD


@define
class Faulty:
    """A consumer with a fault."""

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:  # noqa: ARG002 - the seam's shape
        """Fail."""
        raise ZeroDivisionError

    def request_ended(self, record: RequestRecord) -> None:  # noqa: ARG002 - the seam's shape
        """Fail."""
        raise ZeroDivisionError


class FanOutTests:
    """Several consumers."""

    def test_all_get_all(self) -> None:
        """Attempts and requests reach each of them."""
        kept = KeptRecords(), KeptRecords()
        records = FanOut(kept)
        records.attempt_ended("req_1", ATTEMPT)
        records.request_ended(RECORD)
        assert [(each.attempts, each.requests) for each in kept] == [([ATTEMPT], [RECORD])] * 2

    def test_a_fault_costs_no_request(self, logged_failures: list[LogEvent]) -> None:
        """A consumer with a fault is logged; the others get the record, and whoever made it notices nothing."""
        kept = KeptRecords()
        records = FanOut((Faulty(), kept))
        records.attempt_ended("req_1", ATTEMPT)
        records.request_ended(RECORD)
        assert (kept.attempts, kept.requests) == ([ATTEMPT], [RECORD])
        assert len(logged_failures) == 2
        logged_failures.clear()
