"""A twistd that ends with whoever started it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

COMMAND = (sys.executable, "-P", "-m", "claude_bridge.daemon.tether", "--nodaemon", "--pidfile=")


class TetherTests:
    """twistd on a leash."""

    def test_ends_with_its_input(self, tmp_path: Path) -> None:
        """Any twistd service stops as by SIGTERM once standard input closes, with a clean shutdown."""
        command = [*COMMAND, "web", "--listen=tcp:0:interface=127.0.0.1", f"--path={tmp_path}"]
        with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            while "starting on" not in (line := child.stdout.readline()):
                assert line, "twistd ended before it served"
            # An answer shows that the reactor runs, and so that SIGTERM is Twisted's.
            with urlopen(f"http://127.0.0.1:{line.split()[-1]}/", timeout=30) as answer:
                assert answer.status == 200
            rest, _ = child.communicate(timeout=30)
        assert "Server Shut Down." in rest
        assert child.returncode == -signal.SIGTERM
