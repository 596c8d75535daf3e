"""Where state is kept."""

from __future__ import annotations

import pytest

from claude_bridge.config.state import state_directory
from tests.config.files import config_of, mistakes

HOME = {"HOME": "/home/a"}


class StateDirectoryTests:
    """The place of what outlives a run."""

    @pytest.mark.parametrize(
        ("environ", "directory"),
        [
            ({"STATE_DIRECTORY": "/var/lib/bridge", "XDG_STATE_HOME": "/x", **HOME}, "/var/lib/bridge"),
            ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", **HOME}, "/var/lib/a"),
            ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/x", **HOME}, "/x/claude-bridge"),
            (
                {"STATE_DIRECTORY": ":relative", "XDG_STATE_HOME": "relative", **HOME},
                "/home/a/.local/state/claude-bridge",
            ),
            (HOME, "/home/a/.local/state/claude-bridge"),
            ({"HOME": ""}, None),
            ({}, None),
        ],
    )
    def test_default(self, environ: dict[str, str], directory: str | None) -> None:
        """Without a word in the file, systemd's directory is taken, then that of the XDG specification."""
        assert state_directory(None, environ) == directory

    def test_configured(self) -> None:
        """A directory of the file's wins over every variable, and `none` keeps nothing."""
        environ = {"STATE_DIRECTORY": "/var/lib/bridge", **HOME}
        text = "[server]\nstate_dir = {}\n"
        assert state_directory(config_of(text.format("/srv/bridge")).server.state_dir, environ) == "/srv/bridge"
        assert state_directory(config_of(text.format("none")).server.state_dir, environ) is None
        assert config_of(text.format("${D}"), {"D": "/from/env"}).server.state_dir == "/from/env"

    @pytest.mark.parametrize("text", ["state", "~/state", "./x"])
    def test_mistakes(self, text: str) -> None:
        """A path that depends on where the daemon was started is a mistake, and told as one."""
        assert mistakes(f"[server]\nstate_dir = {text}\n") == [
            "[server] state_dir: must be the absolute path of a directory, or none"
        ]
