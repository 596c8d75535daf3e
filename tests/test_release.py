"""Promises of the name under which the bridge presents itself."""

from __future__ import annotations

import re
from importlib.metadata import version

from claude_bridge.release import DISTRIBUTION, VERSION, product


class ProductTests:
    """Name and version."""

    def test_for_people_and_for_servers(self) -> None:
        """The installed version follows the name, after a blank or after a slash."""
        assert re.fullmatch(r"claude-bridge \d+\.\d+\.\d+", product())
        assert product("/") == product().replace(" ", "/")

    def test_is_the_one_that_is_installed(self) -> None:
        """What the bridge says of itself is what a package index has it under."""
        assert version(DISTRIBUTION) == VERSION
