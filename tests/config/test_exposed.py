"""Keys in files that others can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_bridge.config.exposed import exposed, file_mode
from claude_bridge.config.ini import read_ini


def warnings(text: str, mode: int = 0o644) -> list[str]:
    """Return the lines that a file with these permissions is warned of."""
    return [str(each) for each in exposed(read_ini(text).sections, "/c.ini", lambda _path: mode)]


KEYS = "[backend:a]\napi_key = sk-1\n[key:b]\nsecret = sk-2\n[web_search]\nengine = brave\napi_key =\n  sk-3\n"


class ExposedTests:
    """A key that is written out is nobody else's to read."""

    def test_each_key(self) -> None:
        """Each key is named, with the cure, and never shown."""
        cure = "is written out in a file that others can read: chmod 600 /c.ini"
        assert warnings(KEYS) == [
            f"[backend:a] api_key: {cure}",
            f"[key:b] secret: {cure}",
            f"[web_search] api_key: {cure}",
        ]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_open(self, mode: int) -> None:
        """Group and others are both others."""
        assert len(warnings(KEYS, mode)) == 3

    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_private(self, mode: int) -> None:
        """A file of its owner alone may hold keys."""
        assert warnings(KEYS, mode) == []

    @pytest.mark.parametrize("key", ["${KEY}", "Bearer-${KEY}", "file:/run/key", "credential:key"])
    def test_elsewhere(self, key: str) -> None:
        """A key that is somewhere else may be named in any file."""
        assert warnings(f"[backend:a]\nurl = http://x\napi_key = {key}\n") == []

    def test_headers(self) -> None:
        """A header that carries a key counts as well, another one does not."""
        assert len(warnings("[backend:a]\nheaders =\n  X-Title: me\n  X-Api-Key: sk-1\n")) == 1
        assert len(warnings("[backend:a]\nheaders = X-Gateway-Token: sk-1\n")) == 1
        assert warnings("[backend:a]\nheaders =\n  X-Title: me\n  X-Api-Key: ${KEY}\n") == []

    def test_a_sign_is_no_variable(self) -> None:
        """A key with a dollar sign in it, which is written twice, is written out like any other."""
        assert len(warnings("[backend:a]\nurl = http://x\napi_key = ab$${cd}\n")) == 1

    def test_gone(self) -> None:
        """A file that is not there any more is not worth an error."""
        assert exposed(read_ini(KEYS).sections, "/nope/c.ini", file_mode) == ()

    def test_real_file(self, tmp_path: Path) -> None:
        """The permissions of a real file are its own."""
        path = tmp_path / "c.ini"
        path.touch()
        path.chmod(0o640)
        assert file_mode(str(path)) == 0o640
