"""Promises of the place where a backend is written."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from claude_bridge.config.load import parse
from claude_bridge.doctor.origin import Origin, origin_of

URL = {"BACKEND_URL": "http://gpu:8000/v1"}


def origin(text: str, environ: Mapping[str, str] = {}, path: str | None = "a.ini", **how: bool) -> Origin:
    """Return the origin of the last backend of a configuration."""
    config = parse(text, environ, lambda path: path.encode(), path=path)
    return origin_of(config, list(config.backends.values())[-1], **how)


class OriginTests:
    """What is wrong is said of the thing that people have."""

    @pytest.mark.parametrize("name", ["tower", "default"])
    def test_file(self, name: str) -> None:
        """In a file it is the section, also of a backend with the name of the default one."""
        text = f"[backend:{name}]\nurl = http://gpu:8000/v1\napi_key = a-key-of-mine"
        found = origin(text, {} if name == "tower" else URL)
        assert (found.url.line("x"), found.url.subject) == ("url = x", f"backend:{name}")
        assert (found.key.name, found.in_file, found.place) == (f"`api_key` in [backend:{name}]", True, "")

    def test_environment(self) -> None:
        """Without a file it is a variable, whether it is set or not."""
        for environ in (URL, {}):
            found = origin("", environ, None)
            assert (found.url.line("x"), found.url.subject) == ("BACKEND_URL=x", "environment")
            assert (found.key.name, found.in_file) == ("BACKEND_API_KEY", False)
            assert found.listen.line("8081") == "HOST_PORT=8081"
            assert "claude-bridge init" in found.place

    def test_variable_beside_a_file(self) -> None:
        """A backend that a variable adds to those of a file has its address there."""
        found = origin("[backend:tower]\nurl = http://x/v1\n[model:m]\nbackend = tower", URL | {"LOG_LEVEL": "info"})
        assert found.url.name == "BACKEND_URL"
        assert found.in_file

    def test_command_line(self) -> None:
        """What the command line names is mended there."""
        found = origin("", URL, None, by_option=True)
        assert (found.url.line("x"), found.url.subject) == ("--url x", "command line")
        assert (found.key.name, found.alone) == ("BACKEND_API_KEY", True)
