"""What the log says of a request's attempts, besides the line about the request itself."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import LogEvent, capturedLogs, formatEvent

from claude_bridge.core.errors import UpstreamCut, UpstreamTimeout
from claude_bridge.testing.chat import chunk, events
from tests.services.exchange.stage import HELLO, ROUTED, Stage, configured, refusal


class AttemptLogTests:
    """Lines about one attempt."""

    def failed(self, logged: Sequence[LogEvent]) -> list[str]:
        """Return the lines about failures after which the request went on."""
        assert all(event["request_id"] == "req_1" for event in logged)
        return [formatEvent(event) for event in logged if event.get("event") == "failed-attempt"]

    def test_next(self) -> None:
        """A failure after which the request goes on is logged with what follows; the last one is not."""
        stage = Stage(configured(ROUTED))
        with capturedLogs() as logged:
            stage.run(model="claude-opus-5-5")
            stage.call.end(UpstreamCut("gone"))
            stage.call.end(UpstreamTimeout("silent"))
            stage.call.end(UpstreamTimeout("silent"))
        assert self.failed(logged) == [
            "box/zai/GLM: upstream_cut; trying again",
            "box/zai/GLM: upstream_timeout; trying the next model",
        ]

    def test_pause(self) -> None:
        """With a pause before the same model is asked again, the line has its seconds."""
        stage = Stage()
        with capturedLogs() as logged:
            stage.run()
            stage.call.answer(status=500)
        (event,) = logged
        assert (event["after"], event["backend"], event["model"]) == (0.5, "box", "zai/GLM")

    def test_adjustment(self) -> None:
        """A refusal after which the model is asked in another way is logged with the change."""
        stage = Stage()
        with capturedLogs() as logged:
            stage.run(tools=[{"name": "t", "input_schema": {}}], tool_choice={"type": "any"})
            stage.call.answer(refusal("m does not support this tool_choice"), status=400)
            stage.call.answer(*HELLO)
        (event,) = [event for event in logged if event.get("event") == "retried"]
        assert (event["request_id"], event["backend"], event["model"]) == ("req_1", "box", "zai/GLM")
        assert formatEvent(event).startswith("backend box rejected ")

    def test_error_after_the_end(self) -> None:
        """An error after the finish reason costs no answer; the log has its kind, not its words."""
        stage = Stage()
        stage.run()
        stage.call.head()
        late = b'data: {"error": {"code": 400, "message": "Token limit reached: SECRET prompt"}}\n\n'
        with capturedLogs() as logged:
            stage.call.data(*events([chunk({"content": "half"}), chunk({}, finish="length")], done=False), late)
        (told,) = [event for event in logged if event.get("event") == "late_failure"]

        assert (stage.downstream.text, stage.downstream.errors) == ("half", [])
        assert stage.outcomes == ("ok", "ok")
        assert (told["backend"], "SECRET" in str(told)) == ("box", False)
