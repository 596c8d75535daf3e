"""Where files are looked for and kept."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from claude_bridge.config.directories import (
    cache_directory,
    config_files,
    control_directories,
    ledger_file,
    state_directory,
)
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


class LedgerFileTests:
    """The place of the accounts."""

    @pytest.mark.parametrize(
        ("text", "state", "file"),
        [
            ("", "/state", "/state/ledger.sqlite"),
            ("", None, None),
            ("enabled = no", "/state", None),
            ("enabled = yes", None, None),
            ("database = /srv/l.sqlite", "/state", "/srv/l.sqlite"),
            ("database = /srv/l.sqlite", None, "/srv/l.sqlite"),
            ("enabled = no\ndatabase = /srv/l.sqlite", "/state", None),
        ],
    )
    def test_place(self, text: str, state: str | None, file: str | None) -> None:
        """It is in the state directory unless the file names another place, and nowhere if it is not wanted."""
        ledger = config_of(f"[ledger]\n{text}\n").ledger
        assert ledger_file(enabled=ledger.enabled, database=ledger.database, state=state) == file

    @pytest.mark.parametrize(
        ("text", "mistake"),
        [
            (
                "database = postgresql://db/bridge",
                "database: must be the absolute path of a file: this version keeps its accounts in SQLite only",
            ),
            (
                "database = ledger.sqlite",
                "database: must be the absolute path of a file; the default is in the state directory",
            ),
            ("keep = 12h", "keep: must be from 86,400 to 3,153,600,000 s"),
        ],
    )
    def test_mistakes(self, text: str, mistake: str) -> None:
        """What cannot be used is told with what can."""
        assert mistakes(f"[ledger]\n{text}\n") == [f"[ledger] {mistake}"]


class ConfigFilesTests:
    """The places of the configuration file."""

    ENVIRON: Mapping[str, str] = {
        "CONFIGURATION_DIRECTORY": "/conf/a:/conf/b",
        "XDG_CONFIG_HOME": "/xdg",
        "HOME": "/home/me",
    }

    def test_order(self) -> None:
        """Systemd's folders come before the user's, the user's before the machine's."""
        assert list(config_files(self.ENVIRON)) == [
            "/conf/a/claude-bridge.ini",
            "/conf/b/claude-bridge.ini",
            "/xdg/claude-bridge/claude-bridge.ini",
            "/etc/claude-bridge/claude-bridge.ini",
        ]

    @pytest.mark.parametrize("settings", ["", "relative/path"])
    def test_home(self, settings: str) -> None:
        """Without a usable $XDG_CONFIG_HOME it is ~/.config."""
        assert next(config_files({"HOME": "/home/me", "XDG_CONFIG_HOME": settings})) == (
            "/home/me/.config/claude-bridge/claude-bridge.ini"
        )

    def test_no_home(self) -> None:
        """A daemon without a home looks into /etc."""
        assert list(config_files({})) == ["/etc/claude-bridge/claude-bridge.ini"]


class CacheDirectoryTests:
    """The place of what can be fetched again."""

    def test_places(self) -> None:
        """The XDG folder wins, the home's `.cache` is the default, and without either there is none."""
        assert cache_directory({"XDG_CACHE_HOME": "/c", **HOME}) == "/c/claude-bridge"
        assert cache_directory({"XDG_CACHE_HOME": "c", **HOME}) == "/home/a/.cache/claude-bridge"
        assert cache_directory({"HOME": ""}) is None


class ControlTests:
    """Where the control socket may be."""

    @pytest.mark.parametrize(
        ("environ", "state", "places"),
        [
            ({}, None, []),
            ({}, "/state", ["/state"]),
            ({"RUNTIME_DIRECTORY": "/run/claude-bridge:/run/other"}, "/state", ["/run/claude-bridge", "/state"]),
            ({"RUNTIME_DIRECTORY": "relative"}, None, []),
            (
                {"RUNTIME_DIRECTORY": "/run/a", "XDG_RUNTIME_DIR": "/run/user/1"},
                "/state",
                ["/run/a", "/run/user/1/claude-bridge", "/state"],
            ),
            ({"XDG_RUNTIME_DIR": "relative"}, None, []),
        ],
    )
    def test_places(self, environ: dict[str, str], state: str | None, places: list[str]) -> None:
        """Systemd's comes first, then that of the person who is logged in, then the state directory."""
        assert list(control_directories(environ, state)) == places
