"""What is valid and probably not meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.doubts import exposed, file_mode
from claude_bridge.config.expand import OFF
from claude_bridge.config.ini import read_ini
from claude_bridge.config.load import load
from claude_bridge.config.secret import hash_of
from tests.config.files import reading

URL = "url = http://127.0.0.1:8000/v1\n"


def warnings(text: str | None, environ: Mapping[str, str] | None = None) -> list[str]:
    """Load ``/c.ini`` with this text, or no file at all, and return what is warned of."""
    files = {} if text is None else {"/c.ini": text.encode(), "/k": b'"sk-1"\n'}
    path = None if text is None else "/c.ini"
    config = load(path, environ or {}, reading(files), lambda _path: 0o600)
    return [str(warning) for warning in config.warnings]


class KindTests:
    """Options that the backend's kind does not use."""

    @pytest.mark.parametrize("option", ["top_k", "recover_tool_calls", "thinking_opened"])
    def test_without_effect(self, option: str) -> None:
        """They are told by their names; those that the kind has are not."""
        backend = "[backend:b]\nurl = https://api.openai.com/v1\nkind = responses\n[model:m]\n"
        assert warnings(f"{backend}{option} = yes\nstrict = no\n") == [
            f"[model:m] {option}: has no effect: backends of kind = responses do not use it"
        ]


class QuotesTests:
    """Quotes that became a part of a valid value."""

    @pytest.mark.parametrize(
        ("section", "key", "value"),
        [
            ("backend:b", "api_key", '"sk-abc"'),
            ("backend:b", "api_key", "${K}"),
            ("backend:b", "api_key", "file:/k"),
            ("model:m", "name", "'zai-org/GLM'"),
        ],
    )
    def test_valid_and_warned(self, section: str, key: str, value: str) -> None:
        """A key or a name in quotes is one for itself, wherever it comes from; the file stays valid."""
        assert warnings(f"[{section}]\n{key} = {value}\n", {"K": "'sk-1'"}) == [f"[{section}] {key}: {OFF}"]

    def test_variables(self) -> None:
        """Of a set-up without a file the variable is named."""
        environ = {"BACKEND_URL": "http://x/v1", "BACKEND_API_KEY": '"k"', "MODEL": '"m"'}
        assert warnings(None, environ) == [f"[environment] BACKEND_API_KEY: {OFF}", f"[environment] MODEL: {OFF}"]

    def test_in_file_order(self) -> None:
        """Warnings come in the order of the file."""
        text = "[model:a]\nname = 'x'\n[backend:b]\napi_key = 'k'\n[model:c]\nname = 'y'\n"
        assert [line.split("]")[0] for line in warnings(text)] == ["[model:a", "[backend:b", "[model:c"]


class KeyTests:
    """Keys that are no keys."""

    @pytest.mark.parametrize("value", ["/etc/keys/x", "/run/secrets/chutes_key", "~/.keys/x", "./key", "../k"])
    def test_path(self, value: str) -> None:
        """A path without `file:` is no key."""
        told = "looks like a file path and is used as the key itself: did you mean file:/PATH?"
        assert warnings(f"[backend:b]\napi_key = {value}\n") == [f"[backend:b] api_key: {told}"]

    @pytest.mark.parametrize("value", ["os.environ/CHUTES_KEY", "env:CHUTES_KEY", "env.CHUTES_KEY", "{env:CHUTES_KEY}"])
    def test_variable(self, value: str) -> None:
        """How other tools name a variable is answered with how it is done here."""
        (told,) = warnings(f"[backend:b]\napi_key = {value}\n")
        assert told.endswith("did you mean ${CHUTES_KEY}?")

    def test_bare_name(self) -> None:
        """The name of a variable alone is not its value."""
        (told,) = warnings("[web_search]\nengine = brave\napi_key = BRAVE_API_KEY\n")
        assert told.startswith("[web_search] api_key: looks like a variable's name")

    def test_hash(self) -> None:
        """A hash where the key itself should be would be the key: whoever reads it could use it."""
        (told,) = warnings(f"[server]\ncredentials = keys\n[key:a]\nsecret = {hash_of('s')}\n")
        assert told.startswith("[key:a] secret: looks like the hash of a key")
        assert warnings(f"[server]\ncredentials = keys\n[key:a]\nhash = {hash_of('s')}\n") == []

    @given(st.from_regex(r"(sk-[A-Za-z0-9_-]{8,40}|[A-Za-z0-9+/]{22,43}={0,2}|[0-9a-f]{8,64})", fullmatch=True))
    def test_real_keys(self, key: str) -> None:
        """Nothing is said of keys as vendors give them out, and none is repeated."""
        told = "\n".join(warnings(f"[backend:b]\napi_key = {key}\n"))
        assert key not in told
        assert "path" not in told or key.startswith("/")


class UrlTests:
    """URLs that lead somewhere else."""

    def test_file_and_variable(self) -> None:
        """Section and key are named, or the variable."""
        (told,) = warnings("[backend:b]\nurl = http://127.0.0.1:8000/v1/models\n")
        assert (
            told == "[backend:b] url: ends in /models, not the base of them all: did you mean http://127.0.0.1:8000/v1?"
        )
        (told,) = warnings(None, {"BACKEND_URL": "https://api.anthropic.com/v1"})
        assert told.startswith("[environment] BACKEND_URL: is Anthropic's own API")
        (told,) = warnings(f"[backend:b]\n{URL}", {"BACKEND_URL": "http://x/v1/messages"})
        assert told.startswith("[environment] BACKEND_URL: ends in /messages")


class NothingTests:
    """Files that do nothing, and variables that a file takes the sense from."""

    @pytest.mark.parametrize("text", ["", "\n# url = x\n", "[backend:default]\n[log]\n"])
    def test_empty_file(self, text: str) -> None:
        """A file that sets nothing is told so, with what holds instead."""
        assert warnings(text) == ["/c.ini: sets nothing; the only backend is default, http://127.0.0.1:8000/v1"]

    def test_no_file(self) -> None:
        """A mistyped name of the file is seen: the places are named where one was looked for."""
        (told,) = warnings(None, {"HOME": "/me"})
        assert told == (
            "no file was found (/me/.config/claude-bridge/claude-bridge.ini, /etc/claude-bridge/claude-bridge.ini) "
            "and BACKEND_URL is not set; the only backend is default, http://127.0.0.1:8000/v1"
        )
        assert warnings(None, {"BACKEND_URL": "http://x/v1"}) == []

    def test_unused_variables(self) -> None:
        """Variables that count only without a file are told with what to set in it."""
        environ = {"BACKEND_API_KEY": "k", "MODEL": "bad name", "ALLOWED_HOSTS": "", "BACKEND_URL": "http://x/v1"}
        told = warnings("[server]\ncommit_after = 5\n", environ)
        assert told == [
            f"[environment] {name}: has no effect: it counts only where no file is read, and /c.ini was; set {instead}"
            for name, instead in (
                ("BACKEND_API_KEY", "api_key in its [backend:NAME]"),
                ("MODEL", "models in [route:default]"),
            )
        ]

    def test_nothing_to_say(self) -> None:
        """An ordinary file is not commented on."""
        assert warnings(f"[backend:b]\n{URL}api_key = ${{K}}\n", {"K": "sk-9f8e7d6c5b4a"}) == []


def exposed_keys(text: str, mode: int = 0o644) -> list[str]:
    """Return the lines that a file with these permissions is warned of."""
    return [str(each) for each in exposed(read_ini(text).sections, "/c.ini", lambda _path: mode)]


KEYS = "[backend:a]\napi_key = sk-1\n[key:b]\nsecret = sk-2\n[web_search]\nengine = brave\napi_key =\n  sk-3\n"


class ExposedTests:
    """A key that is written out is nobody else's to read."""

    def test_each_key(self) -> None:
        """Each key is named, with the cure, and never shown."""
        cure = "is in plain text in a file that others can read: chmod 600 /c.ini"
        assert exposed_keys(KEYS) == [
            f"[backend:a] api_key: {cure}",
            f"[key:b] secret: {cure}",
            f"[web_search] api_key: {cure}",
        ]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_open(self, mode: int) -> None:
        """Group and others are both others."""
        assert len(exposed_keys(KEYS, mode)) == 3

    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_private(self, mode: int) -> None:
        """A file of its owner alone may hold keys."""
        assert exposed_keys(KEYS, mode) == []

    @pytest.mark.parametrize("key", ["${KEY}", "Bearer-${KEY}", "file:/run/key", "credential:key"])
    def test_elsewhere(self, key: str) -> None:
        """A key that is somewhere else may be named in any file."""
        assert exposed_keys(f"[backend:a]\nurl = http://x\napi_key = {key}\n") == []

    def test_headers(self) -> None:
        """A header that carries a key counts as well, another one does not."""
        assert len(exposed_keys("[backend:a]\nheaders =\n  X-Title: me\n  X-Api-Key: sk-1\n")) == 1
        assert len(exposed_keys("[backend:a]\nheaders = X-Gateway-Token: sk-1\n")) == 1
        assert exposed_keys("[backend:a]\nheaders =\n  X-Title: me\n  X-Api-Key: ${KEY}\n") == []

    def test_proxy(self) -> None:
        """So does a proxy with a password, and none without, nor one whose password is a variable's."""
        (told,) = exposed_keys("[backend:b]\nproxy = http://me:hidden@proxy:3128\n")
        assert told.startswith("[backend:b] proxy: is in plain text in a file that others can read")
        for value in ("http://me:${PASSWORD}@proxy:3128", "http://me@proxy:3128", "http://proxy:3128", "env", "none"):
            assert exposed_keys(f"[backend:b]\nproxy = {value}\n") == []

    def test_a_sign_is_no_variable(self) -> None:
        """A key with a dollar sign in it, which is written twice, is written out like any other."""
        assert len(exposed_keys("[backend:a]\nurl = http://x\napi_key = ab$${cd}\n")) == 1

    def test_gone(self) -> None:
        """A file that is not there any more is not worth an error."""
        assert exposed(read_ini(KEYS).sections, "/nope/c.ini", file_mode) == ()

    def test_real_file(self, tmp_path: Path) -> None:
        """The permissions of a real file are its own."""
        path = tmp_path / "c.ini"
        path.touch()
        path.chmod(0o640)
        assert file_mode(str(path)) == 0o640
