"""Chaos for as long as you like: ``python -m tests.end_to_end.chaos [--seconds N] [--seed N] [--sessions N]``.

Fifty sessions ask a real daemon in front of three backends that fail at random, by the seed. Printed are the figures,
and on standard error all that must never be: a request without an end, an answer that is not whole or not the asker's
own, more than three attempts at one model, memory that grows. The exit status is 1 if there was any of that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.end_to_end.chaos.figures import shown
from tests.end_to_end.chaos.run import Settings, run
from tests.environments import JUDGES, built


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.prog = "python -m tests.end_to_end.chaos"
    parser.add_argument("--seconds", type=float, default=300.0, help="how long new requests come (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="what happens (default: 1)")
    parser.add_argument("--sessions", type=int, default=50, help="at the same time (default: 50)")
    return parser.parse_args()


async def _main(reactor: Any, options: argparse.Namespace) -> None:
    settings = Settings(seconds=options.seconds, seed=options.seed, sessions=options.sessions)
    with tempfile.TemporaryDirectory(prefix="claude-bridge-chaos-") as folder:
        findings = await run(reactor, Path(folder), settings)
    sys.stdout.write(findings.report())
    broken = findings.broken()
    if broken:
        sys.stderr.write(shown(broken) + "\n")
        raise SystemExit(1)


if __name__ == "__main__":
    built(JUDGES)  # on a new machine this takes its time
    react(lambda reactor, options: Deferred.fromCoroutine(_main(reactor, options)), [_options()])
