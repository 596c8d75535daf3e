"""Judges that others wrote: the official SDK's own API tests, and ``llm-comply``."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.friendly import Friendly
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.processes import run_program
from tests.environments import JUDGES, SDK_SOURCE, built

SDK_MODEL = "model_id"
"""The model that the SDK's tests ask for in ``/v1/models/{model_id}``."""

COMPLY_MODEL = "claude-opus-5-5"


class OfficialSDKTests:
    """The tests that the ``anthropic`` SDK carries for its own API calls."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.timeout(300)
    async def test_all_pass(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """Every call of the SDK, synchronous or not, streamed or not, gets an answer of exactly its type."""
        backend.models = [SDK_MODEL]
        backend.script = Friendly()
        daemon = await start_daemon()
        judges = built(JUDGES)
        report = daemon.folder / "report.xml"
        ran = await run_program(
            reactor,
            [
                str(judges.python), "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={report}",
                "tests/api_resources/test_messages.py", "tests/api_resources/test_models.py",
            ],
            environment={"TEST_API_BASE_URL": daemon.url, "HOME": str(daemon.folder), "PATH": "/usr/bin:/bin"},
            folder=judges.sources[SDK_SOURCE],
            seconds=280,
        )  # fmt: skip
        assert ran.code == 0, ran.out[-6000:] + ran.err[-2000:]
        counts = {
            name: int(count)
            for name, count in re.findall(r'\b(tests|failures|errors|skipped)="(\d+)"', report.read_text())
        }
        assert counts["tests"] >= 100
        assert (counts["failures"], counts["errors"], counts["skipped"]) == (0, 0, 0)


class LlmComplyTests:
    """``llm-comply``, which holds answers against the API's OpenAPI schema."""

    @pytest_twisted.ensureDeferred
    async def test_all_pass(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """All nine of its tests pass in front of a backend that reasons; none is skipped, none warns."""
        backend.script = Friendly(reasoning="always")
        daemon = await start_daemon()
        ran = await run_program(
            reactor,
            [
                str(built(JUDGES).folder / "bin" / "llm-comply"), "run", "-u", f"{daemon.url}/v1",
                "--format", "anthropic", "-k", "test-key", "-m", COMPLY_MODEL, "--auth-header", "x-api-key",
                "--no-bearer", "-H", "anthropic-version:2023-06-01", "--json",
            ],
            environment={"HOME": str(daemon.folder), "PATH": "/usr/bin:/bin"},
            folder=daemon.folder,
        )  # fmt: skip
        assert ran.code == 0, ran.out + ran.err
        told = json.loads(ran.out)
        assert told["summary"] == {"total": 9, "passed": 9, "failed": 0, "skipped": 0}
        assert [one for one in told["results"] if one.get("warnings")] == []
