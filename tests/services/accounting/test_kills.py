"""A process that is killed loses what its last second has brought, and its file is whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attrs import frozen

from claude_bridge.services.accounting.ledger import WRITE_SECONDS
from claude_bridge.services.accounting.store.sqlite import connect
from tests.services.accounting.store.books import assert_periods_add_up, assert_sessions_add_up, rows

AT_A_TIME = 5

SLACK = 1.5
"""Seconds that a write itself may take here, where five processes and the other tests share a disk."""


@frozen
class Killed:
    """A child after its end.

    :ivar booked: how many requests it had booked by which time, in monotonic seconds.
    """

    file: Path
    killed: float
    booked: tuple[tuple[int, float], ...]


def start(file: Path) -> subprocess.Popen[bytes]:
    """Start a child, and wait until it books."""
    command = [sys.executable, "-m", "tests.services.accounting.booking_child", str(file)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def kill(child: subprocess.Popen[bytes], file: Path) -> Killed:
    """Kill a child, and read what it has said."""
    killed = time.monotonic()
    child.kill()
    said, _ = child.communicate()
    whole = said[: said.rfind(b"\n") + 1].decode().splitlines()
    booked = tuple((int(count), float(when)) for count, _, when in (line.partition(" ") for line in whole))
    return Killed(file, killed, booked)


class KillTests:
    """``kill -9`` at random moments."""

    @pytest.mark.parametrize("seed", range(5))
    def test_loses_a_second_at_most(self, seed: int, tmp_path: Path) -> None:
        """What was booked more than a second before is in the file, which is whole, and whose sums are right."""
        moments, all_safe = random.Random(seed), 0  # noqa: S311 - nothing is kept secret by it
        children = [(start(file), file) for file in (tmp_path / f"{number}.sqlite" for number in range(AT_A_TIME))]
        for child, file in children:
            time.sleep(moments.uniform(0.5, 1.1))
            ended = kill(child, file)
            safe = max(
                (count for count, when in ended.booked if when < ended.killed - WRITE_SECONDS - SLACK), default=0
            )
            connection = connect(str(file))
            assert rows(connection, "PRAGMA integrity_check") == [("ok",)]
            ((kept,),) = rows(connection, "SELECT count(*) FROM requests")
            assert kept >= safe
            all_safe += safe
            assert rows(connection, "SELECT max(CAST(substr(request_id, 5) AS INTEGER)) FROM request") == [
                (kept or None,)
            ]
            assert_sessions_add_up(connection)
            assert_periods_add_up(connection)
            connection.close()
        assert all_safe > 0
