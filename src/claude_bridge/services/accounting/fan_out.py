"""Passes records on to several consumers."""

from __future__ import annotations

from attrs import frozen
from twisted.logger import Logger

from claude_bridge.services.interfaces import AttemptRecord, Records, RequestRecord

_log = Logger()


@frozen(eq=False)
class FanOut:
    """Implements `Records`: each consumer gets every record, also after a fault in another one."""

    _consumers: tuple[Records, ...]

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Pass an attempt's record on."""
        for each in self._consumers:
            try:
                each.attempt_ended(request_id, record)
            except Exception:  # noqa: BLE001 - accounts must never cost a request
                _log.failure("an attempt was not recorded", event="fault")

    def request_ended(self, record: RequestRecord) -> None:
        """Pass a request's record on."""
        for each in self._consumers:
            try:
                each.request_ended(record)
            except Exception:  # noqa: BLE001 - as above
                _log.failure("a request was not recorded", event="fault")
