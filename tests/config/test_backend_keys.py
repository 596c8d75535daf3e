"""The lines of a backend's ``api_key``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from claude_bridge.config.backend_keys import BackendKey, read_backend_key, show_backend_key
from claude_bridge.config.changes import changes
from claude_bridge.config.doubts import doubts, exposed
from claude_bridge.config.dump import dump
from claude_bridge.config.hidden import credentials
from claude_bridge.config.ini import read_ini
from claude_bridge.config.secret import Secret, SecretSource
from tests.config.files import config_of, mistakes, reading

FILES = {"/run/key": b"sk-filed\n", "/run/with space": b"sk-spaced\n", "/cred/chutes": b"sk-credential\n"}
PROGRAMS = {"gcloud": "/usr/bin/gcloud", "/opt/token": "/opt/token"}


def read(text: str) -> BackendKey:
    """Read a line where the files and programs above are."""
    environ = {"CREDENTIALS_DIRECTORY": "/cred", "PATH": "/usr/bin"}
    return read_backend_key(text, SecretSource(environ, reading(FILES), lambda name, _path: PROGRAMS.get(name)))


def wrong(text: str) -> tuple[str, ...]:
    """Return what is wrong with a line."""
    try:
        read(text)
    except ValueError as error:
        return error.args
    return ()


class SourceTests:
    """Each source of a key may be followed by options."""

    @pytest.mark.parametrize(
        ("source", "secret"),
        [
            ("sk-plain", "sk-plain"),
            ("file:/run/key", "sk-filed"),
            ("file:/run/with space", "sk-spaced"),
            ("credential:chutes", "sk-credential"),
        ],
    )
    def test_secrets(self, source: str, secret: str) -> None:
        """A key that is written out or read from somewhere."""
        assert read(source) == BackendKey(secret=Secret(secret))
        assert read(f"{source} weight=2 rpm=60") == BackendKey(secret=Secret(secret), weight=2, rpm=60)
        assert read(f"{source}  tpm=2M") == BackendKey(secret=Secret(secret), tpm=2_000_000)

    @pytest.mark.parametrize(
        ("line", "command"),
        [
            ("command:gcloud", ("/usr/bin/gcloud",)),
            ("command:/opt/token 'two words' x=1", ("/opt/token", "two words", "x=1")),
            ("command: gcloud auth print-access-token", ("/usr/bin/gcloud", "auth", "print-access-token")),
        ],
    )
    def test_commands(self, line: str, command: tuple[str, ...]) -> None:
        """A command is split into words as a shell does; nothing else of a shell's is done."""
        assert read(line) == BackendKey(command=command)
        assert read(f"{line} weight=3") == BackendKey(command=command, weight=3)

    def test_an_option_of_the_commands(self) -> None:
        """A word in quotes belongs to the command."""
        assert read("command:gcloud 'rpm=5'") == BackendKey(command=("/usr/bin/gcloud", "rpm=5"))

    def test_a_real_program(self, tmp_path: Path) -> None:
        """Without another way to look, the file system is asked."""
        secrets = SecretSource({"PATH": str(Path(sys.executable).parent)}, reading())
        name = Path(sys.executable).name
        assert read_backend_key(f"command:{name}", secrets).command == (str(Path(sys.executable).parent / name),)
        plain = tmp_path / "plain"
        plain.write_text("")
        with pytest.raises(ValueError, match="may not be executed"):
            read_backend_key(f"command:{plain}", secrets)


class MistakeTests:
    """What is wrong is told without the key."""

    @pytest.mark.parametrize("option", ["weight=0", "weight=1001", "weight=", "weight=x", "rpm=0", "rpm=-1", "tpm=1.5"])
    def test_numbers(self, option: str) -> None:
        """An option out of its bounds, or without a number."""
        (told,) = wrong(f"sk-plain {option}")
        assert told.startswith(f"{option.partition('=')[0]} must be a whole number from 1 to ")

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("sk-plain weight=1 weight=2", "duplicate weight"),
            ("weight=2", "the secret is empty"),
            ("two words", "the secret contains a space or a character that no HTTP header can carry"),
            ("two wieght=1", "the secret contains a space or a character that no HTTP header can carry"),
            ("command:", "command: needs a program and its arguments, with quotes closed as in a shell"),
            ("command:gcloud 'x", "command: needs a program and its arguments, with quotes closed as in a shell"),
            ("command:./token", "command: needs the absolute path of a program, or the name of one on PATH"),
            ("command:nope", "command: names a program that cannot be run: there is none of that name on PATH"),
            (
                "command:/opt/nope",
                "command: names a program that cannot be run: it is not there, or may not be executed",
            ),
            (
                "command:gcloud ***",
                "*** is what a dump shows instead of the command's arguments: put them back",
            ),
        ],
    )
    def test_texts(self, line: str, told: str) -> None:
        """One sentence each."""
        assert wrong(line) == (told,)

    def test_all_at_once(self) -> None:
        """Mistakes of one line are told together."""
        assert len(wrong("two words weight=0 rpm=x")) == 3

    def test_nothing_quotes_the_key(self) -> None:
        """Neither a representation nor a mistake shows a key or an argument."""
        key = read("command:gcloud hidden-argument")
        assert "hidden" not in repr(key)
        assert "sk-" not in repr(read("sk-plain weight=2"))
        assert "hidden" not in " ".join(wrong("command:/opt/nope hidden"))


class PoolTests:
    """All lines of a backend together."""

    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            ("${K}\n  file:/k weight=2", "entry 2 is the same key as entry 1"),
            ("sk-2\n  command:/bin/sh -c x\n  command:/bin/sh -c x rpm=3", "entry 3 is the same key as entry 2"),
            ("sk-2\n  ${K} weight=0", "entry 2: weight must be a whole number from 1 to 1,000"),
            ("${EMPTY}", "the secret is empty"),
            ("sk-2\n  ${EMPTY}", "entry 2: the secret is empty"),
            ("", "has no value; leave the key out for its default"),
        ],
    )
    def test_mistakes(self, lines: str, told: str) -> None:
        """A key that is there twice, or not at all, is reported."""
        text = f"[backend:b]\napi_key =\n  {lines}\n"
        assert mistakes(text, {"K": "sk-1", "EMPTY": ""}, {"/k": b"sk-1\n"}) == [f"[backend:b] api_key: {told}"]

    @pytest.mark.parametrize("keys", ["", "api_key = sk-1\n"])
    def test_lifetime_without_a_command(self, keys: str) -> None:
        """A lifetime that nothing has is a mistake."""
        assert mistakes(f"[backend:b]\n{keys}api_key_lifetime = 1h\n") == [
            "[backend:b] api_key_lifetime: has no effect without a command: in api_key"
        ]

    @pytest.mark.parametrize(("lifetime", "valid"), [("0.5", False), ("1", True), ("720h", True), ("721h", False)])
    def test_lifetime_bounds(self, lifetime: str, valid: bool) -> None:
        """A lifetime is from a second to thirty days."""
        found = mistakes(f"[backend:b]\napi_key = command:/bin/sh\napi_key_lifetime = {lifetime}\n")
        assert found == ([] if valid else ["[backend:b] api_key_lifetime: must be from 1 to 2,592,000 s"])

    def test_defaults(self) -> None:
        """No key, the first that is ready, and no lifetime of one's own."""
        backend = config_of("[backend:b]\n").backends["b"]
        assert (backend.api_key, backend.has_key) == ((), False)
        assert (backend.key_strategy, backend.api_key_lifetime) == ("fill_first", None)


class DumpTests:
    """A dump shows options and programs, and no key."""

    def test_lines(self) -> None:
        """Secrets and arguments are stars, which are refused until they are put back."""
        lines = "sk-1 weight=2\n  command:/bin/sh -c hidden rpm=60\n  command:/bin/sh tpm=1K\n"
        shown = dump(config_of(f"[backend:b]\napi_key =\n  {lines}api_key_lifetime = 90\n"))
        assert (
            "api_key =\n    *** weight=2\n    command:/bin/sh *** rpm=60\n    command:/bin/sh tpm=1000\n"
            "key_strategy = fill_first\napi_key_lifetime = 90\n"
        ) in shown
        assert [line.split(": ")[1] for line in mistakes(shown)] == ["entry 1", "entry 2"]

    def test_no_keys(self) -> None:
        """Without a key it says what is sent."""
        shown = dump(config_of("[backend:b]\n"))
        assert "# api_key is not set: the client's credential is passed on, if there is one\n" in shown
        assert "# api_key_lifetime is not set: 1 h, where api_key has a command:\n" in shown

    def test_odd_program(self) -> None:
        """A path with a space is shown so that it can be read again."""
        assert show_backend_key(BackendKey(command=("/opt/my token",), rpm=1)) == "command:'/opt/my token' rpm=1"


class OtherRulesTests:
    """What holds for a key holds for each key of a pool."""

    POOL = "api_key =\n  ${K} weight=2\n  sk-9f8e7d6c5b4a rpm=60\n  command:/bin/sh -c x\n"

    def test_hidden(self) -> None:
        """Each key is hidden in every output."""
        config = config_of(f"[backend:b]\n{self.POOL}", {"K": "first-key-of-b"})
        assert [(section, key, value) for section, key, value in credentials(config)] == [
            ("backend:b", "api_key", "first-key-of-b"),
            ("backend:b", "api_key", "sk-9f8e7d6c5b4a"),
        ]

    @pytest.mark.parametrize(
        ("line", "written"),
        [("sk-9f8e7d6c5b4a rpm=60", True), ("${K} rpm=60", False), ("file:/k", False), ("command:/bin/sh x", False)],
    )
    def test_written_out(self, line: str, written: bool) -> None:
        """One that is written out is warned of where others can read the file."""
        text = f"[backend:b]\napi_key =\n  ${{K}}\n  {line}\n"
        told = exposed(read_ini(text).sections, "/c.ini", lambda _path: 0o644)
        assert [(each.section, each.key) for each in told] == ([("backend:b", "api_key")] if written else [])

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("'sk-9f8e7d6c5b4a' weight=2", "is in quotes"),
            ("/etc/keys/chutes rpm=2", "looks like a file path"),
            ("CHUTES_API_KEY tpm=2", "looks like a variable's name"),
        ],
    )
    def test_doubts(self, line: str, told: str) -> None:
        """What is probably no key is warned of, behind options too."""
        text = f"[backend:b]\napi_key =\n  sk-9f8e7d6c5b4a\n  {line}\n"
        (doubt,) = doubts(config_of(text), read_ini(text).sections)
        assert str(doubt).startswith(f"[backend:b] api_key: {told}")

    @pytest.mark.parametrize("key", ["sk-1", "sk-1 weight=2", "sk-1\n  sk-2", "command:/bin/sh"])
    def test_nobody_else_may_spend_them(self, key: str) -> None:
        """A listener that others reach is refused whatever form the key has."""
        (told,) = mistakes(f"[server]\nlisten = tcp:1:interface=0.0.0.0\n[backend:b]\napi_key =\n  {key}\n")
        assert "can be reached from other machines" in told

    def test_changes(self) -> None:
        """A reload tells that keys have changed, not how."""
        old, new = (config_of(f"[backend:b]\napi_key =\n  sk-1\n  sk-2 weight={weight}\n") for weight in (1, 2))
        assert changes(old, new) == ("[backend:b] api_key",)
