"""Promises of the diff: it shows what changes, and no secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.client.settings_diff import settings_diff

SECRET = "s3cret-0123456789"


class SettingsDiffTests:
    """What is shown."""

    def test_change(self) -> None:
        """Lines that change come with their neighbours; the file is named."""
        before = '{\n  "model": "opus",\n  "env": {\n    "A": "1"\n  }\n}\n'
        assert settings_diff(before, before.replace('"1"', '"2"'), "f").splitlines() == [
            "--- f",
            "+++ f (after claude-bridge setup)",
            "@@ -1,6 +1,6 @@",
            " {",
            '   "model": "opus",',
            '   "env": {',
            '-    "A": "1"',
            '+    "A": "2"',
            "   }",
            " }",
        ]
        assert settings_diff(before, before, "f") == ""

    @pytest.mark.parametrize(
        "name",
        ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "apiKeyHelper", "password", "ANTHROPIC_CUSTOM_HEADERS", "Cookie"],
    )
    def test_secret_name(self, name: str) -> None:
        """The value of a member that is called like a secret is hidden, and it can be seen whether it changes."""
        before, after = json.dumps({"env": {name: SECRET}}), json.dumps({"env": {name: "an0ther-98765"}})
        shown = settings_diff(before, after, "f")
        assert f'"{name}": "***"' in shown
        assert f'"{name}": "*** (new)"' in shown
        assert SECRET not in shown
        assert "an0ther" not in shown

    @pytest.mark.parametrize("value", ["", "unused", "131072", "true"])
    def test_no_secret(self, value: str) -> None:
        """A value that can be none is shown."""
        assert f'"{value}"' in settings_diff("{}", json.dumps({"ANTHROPIC_AUTH_TOKEN": value}), "f")

    @pytest.mark.parametrize(
        "text",
        [f"curl -H 'Authorization: Bearer {SECRET}'", f"echo sk-{SECRET}", f"http://me:{SECRET}@proxy:1"],
    )
    def test_secret_text(self, text: str) -> None:
        """So is what looks like a key elsewhere, in a command for instance."""
        assert SECRET not in settings_diff(json.dumps({"command": text}), "{}", "f")

    @given(st.text(), st.text())
    def test_any_secret(self, old: str, new: str) -> None:
        """Whatever a secret is made of, it does not come out."""
        before, after = (
            json.dumps({"env": {"MY_TOKEN": f"{SECRET}{each}", "X": "1"}}, indent=1) for each in (old, new)
        )
        assert SECRET not in settings_diff(before, after, "f")

    def test_line_ends(self) -> None:
        """Other line ends and a byte order mark do not show."""
        shown = settings_diff("\ufeff{\r\n}\r\n", '\ufeff{\r\n  "a": 1\r\n}\r\n', "f")
        assert shown.splitlines()[3:] == [" {", '+  "a": 1', " }"]
