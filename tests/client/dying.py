"""Has set-ups die at each of their steps, in a process of its own: forking is safe there.

``python -m tests.client.dying HOME`` ends with status 0 if every death left a whole file, and prints how many
there were.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from claude_bridge.client.undo import undo
from tests.client.setups import Home, nobody

STEPS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "tempfile.mkstemp")
"""What Python reports before it does it, and what changes files."""


def dies_before(step: int, run: Callable[[], object]) -> bool:
    """Run something in a child that is gone before one of its steps, and return whether it had so many."""
    child = os.fork()
    if child == 0:
        steps = 0

        def count(event: str, _arguments: object) -> None:
            nonlocal steps
            steps += event in STEPS
            if steps > step:
                os._exit(9)

        sys.addaudithook(count)
        try:
            run()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def dies_at_byte(size: int, run: Callable[[], object]) -> None:
    """Run something in a child that is killed when it has written so many bytes of a file."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        run()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGXFSZ, size


def has(home: Home) -> bytes | None:
    """Return the user's settings."""
    return home.settings.read_bytes() if home.settings.exists() else None


def main(home: Home) -> int:
    """Return how many steps set-up and undo have."""
    (home.folder / ".local/state/claude-bridge").mkdir(parents=True)
    old, before = has(home), home.tree()
    home.setup().apply(nobody)
    new = has(home)
    undo(home.place())
    assert home.tree() == before
    step = steps = 0
    dying = True
    while dying:
        dying = dies_before(step, lambda: home.setup().apply(nobody))
        assert has(home) in (old, new), step
        home.setup().apply(nobody)
        assert has(home) == new, step
        went_on = dies_before(step, lambda: undo(home.place()))
        assert has(home) in (old, new), step
        undo(home.place())
        assert has(home) == old, step
        dying = dying or went_on
        step, steps = step + 1, steps + dying
    for size in (0, 1, 100):
        dies_at_byte(size, lambda: home.setup().apply(nobody))
        assert has(home) == old, size
        home.setup().apply(nobody)
        if old and len(old) > size:
            dies_at_byte(size, lambda: undo(home.place()))
            assert has(home) == new, size
        undo(home.place())
        assert has(home) == old, size
    left = [name for name in home.tree() if name not in before]
    assert left in ([], [".claude"]), left  # a folder that was made just before the end
    return steps


if __name__ == "__main__":
    print(main(Home(Path(sys.argv[1]))))  # noqa: T201 - for the test
