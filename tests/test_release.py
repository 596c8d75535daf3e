"""Promises of the name under which the bridge presents itself."""

from __future__ import annotations

import re

from claude_bridge.release import product


class ProductTests:
    """Name and version."""

    def test_for_people_and_for_servers(self) -> None:
        """The installed version follows the name, after a blank or after a slash."""
        assert re.fullmatch(r"claude-bridge \d+\.\d+\.\d+", product())
        assert product("/") == product().replace(" ", "/")
