"""What Twisted says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, globalLogPublisher
from twisted.python import log as legacy
from zope.interface import implementer
from zope.interface.verify import verifyObject

from claude_bridge.daemon.framework_lines import Demoting


@implementer(ILogObserver)
@define
class Kept:
    """Keeps events."""

    events: list[LogEvent] = field(factory=list)

    def __call__(self, event: LogEvent) -> None:
        """Keep one."""
        self.events.append(event)


def level(**event: Any) -> str:
    """Pass one event on and return the level that arrives."""
    kept = Kept()
    Demoting(kept)({"log_level": LogLevel.info, "log_format": "x", **event})
    return str(kept.events[0]["log_level"].name)


class DemotingTests:
    """News of the framework's own are for debugging."""

    @pytest.mark.parametrize(
        "namespace", ["twisted.web.server.Site", "twisted.application.app.AppLogger", "log_legacy"]
    )
    def test_twisted(self, namespace: str) -> None:
        """Twisted's news become debug lines."""
        assert level(log_namespace=namespace) == "debug"

    @pytest.mark.parametrize("namespace", ["claude_bridge.daemon.service", "twistedness", "-", ""])
    def test_others(self, namespace: str) -> None:
        """Everybody else's stay what they are."""
        assert level(log_namespace=namespace) == "info"

    @pytest.mark.parametrize("name", ["warn", "error", "critical"])
    def test_trouble(self, name: str) -> None:
        """What Twisted warns of, or fails over, is never made less of."""
        assert level(log_namespace="twisted.internet.defer", log_level=LogLevel.levelWithName(name)) == name

    def test_event_itself_stays(self) -> None:
        """Other observers see the event as it was."""
        event = {"log_level": LogLevel.info, "log_namespace": "twisted.x"}
        Demoting(Kept())(event)
        assert event["log_level"] is LogLevel.info

    def test_through_the_publisher(self) -> None:
        """Lines of the old log system are told apart from warnings of Python's, which come the same way."""
        kept = Kept()
        observer = Demoting(kept)
        assert verifyObject(ILogObserver, observer)
        globalLogPublisher.addObserver(observer)
        try:
            legacy.msg("BridgeSite starting on 8080")
            legacy.theLogPublisher.showwarning("old", UserWarning, "x.py", 1)
            Logger("claude_bridge.daemon.service").info("listening")
        finally:
            globalLogPublisher.removeObserver(observer)
        assert [event["log_level"].name for event in kept.events] == ["debug", "warn", "info"]
