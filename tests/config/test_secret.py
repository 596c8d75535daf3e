"""A secret does not show."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from claude_bridge.config.load import parse
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.config.schema import Config
from claude_bridge.config.secret import MAX_SECRET_CHARACTERS, Secret, SecretSource
from tests.config.files import reading


class SecretTests:
    """The value is behind `reveal` only."""

    def test_shows_nothing(self) -> None:
        """Neither repr, str nor formatting show any of it."""
        secret = Secret("sk-abc")

        assert [repr(secret), str(secret), f"{secret}", f"{secret!r:>3}"] == ["", "", "", "   "]
        assert "sk-abc" not in repr([secret, {"key": secret}])

    def test_reveal(self) -> None:
        """Whoever has to send it gets it."""
        assert Secret("sk-abc").reveal() == "sk-abc"

    def test_matches(self) -> None:
        """A candidate matches only if it is the same, whatever characters it has."""
        assert Secret("sk-abc").matches("sk-abc")
        assert not Secret("sk-abc").matches("sk-abd")
        assert not Secret("sk-abc").matches("schlüssel")

    def test_fingerprint(self) -> None:
        """The fingerprint tells two secrets apart and holds neither."""
        assert Secret("a").fingerprint() == Secret("a").fingerprint()
        assert Secret("a").fingerprint() != Secret("b").fingerprint()
        assert "sk-abc" not in Secret("sk-abc").fingerprint()

    def test_equality(self) -> None:
        """Secrets compare by value, and never equal a plain string."""
        assert Secret("a") == Secret("a")
        assert Secret("a") != Secret("b")
        assert Secret("a") != "a"
        assert len({Secret("a"), Secret("a"), Secret("b")}) == 2

    def test_truth(self) -> None:
        """An empty secret counts as none."""
        assert Secret("a")
        assert not Secret("")


FILES: Mapping[str, bytes | OSError] = {
    "/etc/key": b"sk-file\n",
    "/etc/dos": b"sk-dos\r\n",
    "/etc/stars": b"***\n",
    "/etc/empty": b"\n",
    "/etc/two": b"one\ntwo\n",
    "/etc/utf16": "sk".encode("utf-16"),
    "/etc/denied": PermissionError(13, "Permission denied"),
    "/run/credentials/chutes-key": b"sk-credential\n",
}
SOURCE = SecretSource({"CREDENTIALS_DIRECTORY": "/run/credentials"}, reading(FILES))


class LoadTests:
    """A secret is given, in a file, or a systemd credential."""

    @pytest.mark.parametrize(
        ("text", "secret"),
        [
            ("sk-plain", "sk-plain"),
            ("file:/etc/key", "sk-file"),
            ("file:/etc/dos", "sk-dos"),
            ("credential:chutes-key", "sk-credential"),
        ],
    )
    def test_sources(self, text: str, secret: str) -> None:
        """Each source gives its secret, without the line break at a file's end."""
        assert SOURCE.load(text).reveal() == secret

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "the secret is empty"),
            ("***", "put the secret back"),
            ("file:/etc/stars", "put the secret back"),
            ("file:/etc/empty", "the secret is empty"),
            ("file:/etc/two", "contains a space"),
            ("file:/etc/utf16", "does not contain a key: not plain ASCII"),
            ("file:/etc/denied", "cannot read /etc/denied: Permission denied"),
            ("file:/etc/nope", "cannot read /etc/nope: No such file"),
            ("file:etc/key", "absolute path"),
            ("file:", "absolute path"),
            ("credential:nope", "cannot read /run/credentials/nope"),
            ("credential:../key", "plain name"),
            ("credential:..", "plain name"),
            ("credential:", "plain name"),
            ("two words", "contains a space"),
            ("schlüssel", "no HTTP header"),
            ("x" * (MAX_SECRET_CHARACTERS + 1), "longer than 8,192"),
        ],
    )
    def test_mistakes(self, text: str, message: str) -> None:
        """What cannot be a key is refused, and the message says why."""
        with pytest.raises(ValueError, match=message):
            SOURCE.load(text)

    def test_no_systemd(self) -> None:
        """Without systemd's folder a credential cannot be found."""
        with pytest.raises(ValueError, match="LoadCredential="):
            SecretSource({}, reading()).load("credential:x")


class UnresolvedTests:
    """Somebody who needs to know only that there are secrets."""

    TEXT = """
[server]
credentials = keys
[backend:one]
url = http://one/v1
api_key =
    file:/etc/denied
    credential:chutes weight=2
    ${NOT_SET} rpm=5
    command:/opt/denied --now
headers = X-Team: ${TEAM}
proxy = http://user:${PROXY_PASSWORD}@proxy:3128
[key:me]
secret = ${MY_KEY}
"""

    def read(self, text: str) -> Config:
        """Read a configuration of which nothing but its text is there."""
        return parse(text, {}, reading(), resolve_secrets=False)

    def test_references_count(self) -> None:
        """Files, credentials, variables and commands out of reach are keys like any other."""
        config = self.read(self.TEXT)
        keys = config.backends["one"].api_key
        assert [bool(key.secret) for key in keys] == [True, True, True, False]
        assert [(key.command, key.weight, key.rpm) for key in keys[1:]] == [
            ((), 2, None),
            ((), 1, 5),
            (("/opt/denied", "--now"), 1, None),
        ]
        assert config.keys["me"].secret

    @pytest.mark.parametrize(
        ("right", "wrong", "told"),
        [
            ("file:/etc/denied", "file:key", "file: needs an absolute path"),
            ("credential:chutes", "credential:a/b", "credential: needs the plain name"),
            ("file:/etc/denied", "credential:chutes", "is the same key as"),
            ("url = http://one/v1", "url = ${URL}", "URL is not set"),
            ("weight=2", "weight=x", "weight must be"),
            ("${MY_KEY}", "***", "put the secret back"),
            ("secret =", "secrt =", "did you mean secret?"),
        ],
    )
    def test_other_checks_stay(self, right: str, wrong: str, told: str) -> None:
        """What can be checked without the secrets is."""
        with pytest.raises(ConfigErrors) as caught:
            self.read(self.TEXT.replace(right, wrong))
        assert told in str(caught.value)
