"""What the tests of the commands share: configuration files, and environments in which nothing is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_bridge.cli import Surroundings

VALID = """
[server]
listen = tcp:9090:interface=127.0.0.1

[backend:b]
url = http://127.0.0.1:8000/v1
api_key = ${KEY}

[model:m]
backend = b

[route:default]
models = m
"""

DOWN = "[server]\nlisten = tcp:9090:interface=127.0.0.1\n[backend:tower]\nurl = http://127.0.0.1:1/v1\n"
"""A configuration whose only backend is down."""


@pytest.fixture
def surroundings() -> Surroundings:
    """Return an environment with one key, in which nothing is served."""
    return Surroundings({"KEY": "the-secret"}, lambda _arguments: pytest.fail("served"))


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return the path of a valid file."""
    path = tmp_path / "claude-bridge.ini"
    path.write_text(VALID)
    return str(path)


@pytest.fixture
def at_home(tmp_path: Path) -> Surroundings:
    """Return an environment with nothing but a home."""
    return Surroundings({"HOME": str(tmp_path), "PATH": str(tmp_path)}, lambda _arguments: pytest.fail("served"))


@pytest.fixture
def down(tmp_path: Path) -> str:
    """Return the path of a file whose backend is down."""
    path = tmp_path / "down.ini"
    path.write_text(DOWN)
    return str(path)
