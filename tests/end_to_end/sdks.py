"""The official Python SDKs, today's and an old one, as readers of our streams."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.environments import JUDGES, SDK060, Environment, built

READER = Path(__file__).with_name("sdk_reader.py")
SECONDS = 100
SDKS: Sequence[Environment] = (JUDGES, SDK060)
"""The environments whose SDKs must read all that we write: 2.x and 0.60."""


@frozen
class SDKResult:
    """What an SDK made of one stream: the final message as JSON, or the exception as text."""

    message: dict[str, Any] | None
    failure: str | None


def read_by_sdk(environment: Environment, transcripts: Iterable[bytes]) -> list[SDKResult]:
    """Let the SDK of an environment read raw streams: hundreds in one process, which takes a second to start."""
    lines = [json.dumps({"raw": raw.decode()}) + "\n" for raw in transcripts]
    ran = subprocess.run(
        [str(built(environment).python), str(READER)],
        input="".join(lines).encode(),
        capture_output=True,
        timeout=SECONDS,
        env={},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    *told, version = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(told) == len(lines), version
    return [SDKResult(one.get("message"), one.get("failure")) for one in told]
