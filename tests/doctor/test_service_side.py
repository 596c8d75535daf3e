"""Promises of the check of the service."""

from __future__ import annotations

from pathlib import Path

from claude_bridge.doctor.service_side import findings, properties

RUNS = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success"}
FILE = "/etc/claude-bridge/claude-bridge.ini"


class FindingTests:
    """What is told of a service."""

    def test_none(self) -> None:
        """Where there is no service and no bridge nothing is told."""
        assert list(findings({}, FILE, None)) == []

    def test_runs(self) -> None:
        """A service that runs with its file is well."""
        (found,) = findings(RUNS, FILE, 100.0, lambda _: 90.0)
        assert (found.level, found.sentence) == ("ok", "claude-bridge.service runs")

    def test_failed(self) -> None:
        """A service that has failed is a fault, with where to look."""
        (found,) = findings({**RUNS, "ActiveState": "failed", "Result": "exit-code"}, None, None)
        assert found.level == "fault"
        assert "journalctl -u claude-bridge.service" in found.sentence

    def test_stopped(self) -> None:
        """A service that is stopped is somebody's will."""
        (found,) = findings({**RUNS, "ActiveState": "inactive"}, None, None)
        assert found.level == "ok"

    def test_changed_since(self) -> None:
        """A file that is newer than the configuration in force wants a reload, with or without systemd."""
        (found,) = findings({}, FILE, 100.0, lambda _: 101.0)
        assert found.level == "warning"
        assert found.sentence == f"{FILE} has changed since the running bridge read it: claude-bridge reload"

    def test_credential(self, tmp_path: Path) -> None:
        """A credential that is loaded from nowhere is a fault; one that cannot be looked for is none."""
        (tmp_path / "there").touch()
        unit = {**RUNS, "LoadCredential": f"a:{tmp_path}/there b:{tmp_path}/gone c:/nonexistent/folder/x"}
        found = [each for each in findings(unit, None, None) if each.level == "fault"]
        assert [each.sentence for each in found] == [
            f"claude-bridge.service loads the credential b from {tmp_path}/gone, which is not there"
        ]


class PropertyTests:
    """What systemd says."""

    def systemctl(self, tmp_path: Path, says: str) -> dict[str, str]:
        """Return what a systemctl that says this is read as."""
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\nprintf '{says}'\n")
        program.chmod(0o700)
        return dict(properties({"PATH": f"{tmp_path}:/usr/bin:/bin"}))

    def test_installed(self, tmp_path: Path) -> None:
        """The properties of a service that is installed are read."""
        assert self.systemctl(tmp_path, "LoadState=loaded\\nActiveState=active\\n")["ActiveState"] == "active"

    def test_not_installed(self, tmp_path: Path) -> None:
        """Of others there is nothing to say."""
        assert self.systemctl(tmp_path, "LoadState=not-found\\nActiveState=inactive\\n") == {}

    def test_no_systemd(self, tmp_path: Path) -> None:
        """Where there is no systemctl there is nothing either."""
        assert properties({"PATH": str(tmp_path)}) == {}
