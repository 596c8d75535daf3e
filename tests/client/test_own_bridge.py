"""A bridge that a command starts for itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import own_bridge
from claude_bridge.config import variables

FILE = """
[server]
listen = tcp:1:interface=127.0.0.1
state_dir = {state}
[backend:b]
url = http://127.0.0.1:9/v1
"""


def environ(folder: Path) -> Mapping[str, str]:
    """Return the environment of a user whose home this is."""
    return {"HOME": str(folder), "PATH": "/usr/bin:/bin"}


class CommandTests:
    """What is started."""

    def test_variables_that_win(self) -> None:
        """Every variable that wins over a file is known."""
        assert set(variables._VARIABLES) == own_bridge.OVERRIDES

    @pytest.mark.parametrize(
        ("line", "url"),
        [
            ('{"event":"listening","host":"127.0.0.1","port":81,"level":"info"}', "http://127.0.0.1:81"),
            ('{"event":"log","host":"127.0.0.1","port":81}', None),
            ("[]", None),
            ("Traceback", None),
        ],
    )
    def test_listening(self, line: str, url: str | None) -> None:
        """The bridge's address is read from its log line and from no other."""
        assert own_bridge.listening(line) == url

    def test_own_address_and_nothing_kept(self, tmp_path: Path) -> None:
        """It listens on a free port whatever its file says, and keeps nothing in the directory that the file names."""
        file = tmp_path / "c.ini"
        file.write_text(FILE.format(state=tmp_path / "state"))
        bridge = own_bridge.start(str(file), environ(tmp_path))
        try:
            url = bridge.address()
            assert not url.endswith((":0", ":1"))
            with urlopen(url, timeout=30) as answer:  # noqa: S310 - the bridge's own address
                assert answer.read() == b'{"service":"claude-bridge"}'
        finally:
            bridge.stop()
        assert list(tmp_path.iterdir()) == [file]

    def test_wrong_file(self, tmp_path: Path) -> None:
        """What is wrong with the configuration is in what the failure says."""
        file = tmp_path / "c.ini"
        file.write_text("[serve]\n")
        bridge = own_bridge.start(str(file), environ(tmp_path))
        try:
            with pytest.raises(ExpectedFailure, match="status 78") as caught:
                bridge.address()
        finally:
            bridge.stop()
        assert "[serve]" in str(caught.value)
