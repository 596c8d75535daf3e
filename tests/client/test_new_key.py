"""Promises of `claude-bridge key new`: what is printed, what is written, and when nothing is."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import staged_file
from claude_bridge.client.new_key import NewKey, appended, make_key, new_key, section
from claude_bridge.config.load import load
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.config.secret import hash_of

ASKING = "[server]\ncredentials = keys\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a file that has no key yet, and so is not valid."""
    path = tmp_path / "claude-bridge.ini"
    path.write_text(f"# mine\n{ASKING}")
    return path


def made(file: Path, name: str = "alice", *, only_print: bool = False) -> NewKey:
    """Make a key for a configuration."""
    return new_key(name, str(file), {}, only_print=only_print)


def refused(file: Path, name: str = "alice") -> str:
    """Return why no key was made; the file is as it was."""
    before = file.read_bytes()
    with pytest.raises(ExpectedFailure) as caught:
        made(file, name)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
    return str(caught.value)


class KeyTests:
    """The key itself."""

    def test_form(self) -> None:
        """It has 256 random bits, in characters that a header and a shell take as they are."""
        assert re.fullmatch(r"cb-[A-Za-z0-9_-]{43}", make_key())
        assert len({make_key() for _ in range(100)}) == 100

    def test_is_hidden(self, file: Path) -> None:
        """What is made has it once, and shows it nowhere else."""
        new = made(file)
        assert new.key not in repr(new) + new.told + file.read_text()


class WrittenTests:
    """What is added to the file."""

    def test_section(self, file: Path) -> None:
        """The file gets a section with the hash of the key at its end, and stays as it was above; it is valid then."""
        new = made(file)
        assert file.read_text() == f"# mine\n{ASKING}\n[key:alice]\nhash = {hash_of(new.key)}\n"
        assert load(str(file), {}).keys["alice"].hash == hash_of(new.key)
        assert made(file, "bob").key != new.key
        assert list(load(str(file), {}).keys) == ["alice", "bob"]

    def test_what_is_told(self, file: Path) -> None:
        """A person reads what to do with the key, when it counts, and how it is revoked."""
        told = made(file).told
        for words in (f"added to {file}", "ANTHROPIC_AUTH_TOKEN", "claude-bridge reload", "remove [key:alice]"):
            assert words in told

    @pytest.mark.parametrize("only_print", [False, True])
    def test_budgets(self, file: Path, *, only_print: bool) -> None:
        """To revoke a key its budgets have to go too: they are named, and those of others are not."""
        assert (
            "remove [key:bob] and any [budget:*] that is for it by then, and reload"
            in made(file, "bob", only_print=True).told
        )
        budgets = {"b": "key bob", "two": "key  bob", "c": "key bobby", "d": "all", "e": "each key"}
        text = "".join(f"[budget:{name}]\nfor = {whom}\ntokens = 5\nper = day\n" for name, whom in budgets.items())
        file.write_text(f"{ASKING}{text}")
        told = made(file, "bob", only_print=only_print).told
        assert "remove [key:bob] and [budget:b] and [budget:two], and reload\n" in told

    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("", "[key:a]\nhash = x\n"),
            ("\ufeff# one", "\ufeff# one\n\n[key:a]\nhash = x\n"),
            ("# one\n", "# one\n\n[key:a]\nhash = x\n"),
            ("a = 1", "a = 1\n\n[key:a]\nhash = x\n"),
            ("a = 1\n\n", "a = 1\n\n[key:a]\nhash = x\n"),
            ("a = 1\r\nb = 2\r\n", "a = 1\r\nb = 2\r\n\r\n[key:a]\r\nhash = x\r\n"),
            ("a = 1\r\nb = 2", "a = 1\r\nb = 2\r\n\r\n[key:a]\r\nhash = x\r\n"),
        ],
    )
    def test_ends(self, text: str, result: str) -> None:
        """A line that does not end is ended, one empty line is between, and line ends are those of the file."""
        assert appended(text, "[key:a]\nhash = x\n") == result

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
    def test_mode(self, file: Path, mode: int) -> None:
        """The file keeps its permissions, and a symbolic link to it stays one."""
        file.chmod(mode)
        link = file.with_name("link.ini")
        link.symlink_to(file.name)
        made(link)
        assert stat.S_IMODE(file.stat().st_mode) == mode
        assert link.is_symlink()
        assert "[key:alice]" in file.read_text()

    def test_secrets_out_of_reach(self, file: Path) -> None:
        """Keys that only the service may read are no obstacle."""
        file.write_text(f"{ASKING}[backend:b]\napi_key = credential:b\n[key:bob]\nsecret = ${{BOBS_KEY}}\n")
        assert "added" in made(file).told

    def test_mistakes_that_were_there(self, file: Path) -> None:
        """Mistakes elsewhere are no obstacle, but they are told, with what follows: no reload until they are mended."""
        file.write_text(
            f"{ASKING}[backend:b]\nurl = nonsense\n[budget:x]\nfor = key bob\namount = 5\nper = day\nsum = 1\n"
        )
        new = made(file)
        assert file.read_text().endswith(f"\n[key:alice]\nhash = {hash_of(new.key)}\n")
        consequence = "a running bridge refuses a reload until they are mended"
        added, told = new.told.split(f"but {file} has mistakes that were there before; {consequence}:\n")
        told, following = told.split("the key is shown this once")
        assert added == f"added to {file}: [key:alice], with the hash of the key above\n"
        assert [line.partition(": ")[0] for line in told.splitlines()] == [
            "[backend:b] url", "[budget:x] sum", "[budget:x] for"
        ]  # fmt: skip
        assert "\nonce they are mended a running bridge knows it after: claude-bridge reload\n" in following
        with pytest.raises(ConfigErrors) as caught:
            load(str(file), {})
        assert told == f"{caught.value}\n"  # what `check-config` says

    def test_no_mistake(self, file: Path) -> None:
        """Of a file that is valid nothing more is told."""
        assert "mistakes" not in made(file).told

    def test_what_only_the_bridge_has(self, file: Path) -> None:
        """What is missing here and may be there for the bridge is told apart: it need not be a mistake."""
        file.write_text(f"{ASKING}[backend:b]\napi_key = ${{BOXES_KEY}}\n")
        told = made(file).told
        assert "mistakes" not in told
        assert (
            "not there for this command; if it is not there for the bridge either, it refuses a reload:\n"
            "[backend:b] api_key: the environment variable BOXES_KEY is not set; ${BOXES_KEY:-default} would give a "
            "default\n"
        ) in told
        assert "not there" not in new_key("bob", str(file), {"BOXES_KEY": "sk-1234567890"}).told

    def test_policy_in_a_variable(self, file: Path) -> None:
        """A file that asks for keys by a variable asks for them."""
        file.write_text("[server]\ncredentials = ${POLICY}\n")
        assert "added" in new_key("alice", str(file), {"POLICY": "keys"}).told

    def test_usual_place(self, tmp_path: Path, file: Path) -> None:
        """Without a path the file is the one that the bridge finds."""
        folder = tmp_path / "config" / "claude-bridge"
        folder.mkdir(parents=True)
        own = file.rename(folder / "claude-bridge.ini")
        new_key("alice", None, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
        assert "[key:alice]" in own.read_text()
        new_key("bob", None, {"CLAUDE_BRIDGE_CONFIG": str(own)})
        assert "[key:bob]" in own.read_text()


class PrintedTests:
    """`--print`."""

    def test_nothing_is_written(self, file: Path) -> None:
        """The section is shown, and the file stays as it is."""
        before = file.read_bytes()
        new = made(file, only_print=True)
        assert section("alice", new.key) in new.told
        assert "credentials" not in new.told
        assert file.read_bytes() == before

    @pytest.mark.parametrize("text", ["", "[server]\ncredentials = forward\n"])
    def test_what_else_is_needed(self, file: Path, text: str) -> None:
        """If nobody would be asked for a key, that is told too."""
        file.write_text(text)
        assert "[server]\ncredentials = keys\n" in made(file, only_print=True).told

    def test_without_any_file(self, tmp_path: Path) -> None:
        """No file is needed."""
        assert "[key:alice]" in new_key("alice", None, {"HOME": str(tmp_path)}, only_print=True).told


class RefusedTests:
    """When there is no key."""

    @pytest.mark.parametrize("name", ["", "a b", "-a", "a]b", "a:b", "é", "a\nb"])
    def test_name(self, file: Path, name: str) -> None:
        """A name that no section can have is refused."""
        assert "letters, digits, dots, dashes and underscores" in refused(file, name)

    def test_name_of_forwarded_credentials(self, file: Path) -> None:
        """Nor is that by which the accounts call clients without a key of the bridge."""
        assert "'client' cannot be the name of a key: the accounts use this NAME for clients whose own" in refused(
            file, "client"
        )

    @pytest.mark.parametrize("name", ["alice", "Alice"])
    def test_name_that_is_there(self, file: Path, name: str) -> None:
        """A name has one key; the text says how it is replaced."""
        made(file)
        assert f"{file} has a [key:alice] already: to replace the key, remove that section" in refused(file, name)

    @pytest.mark.parametrize("text", ["", "[server]\ncredentials = forward\n", "[server]\ncredentials = none\n"])
    def test_nobody_is_asked(self, file: Path, text: str) -> None:
        """A file under which a key would have no effect stays as it is; the text says what it needs."""
        file.write_text(text)
        assert "Let it say `credentials = keys` in [server]" in refused(file)

    @pytest.mark.parametrize("text", ['{"Providers": [], "Router": {}}', "model_list:\n  - model_name: a\n"])
    def test_of_another_program(self, file: Path, text: str) -> None:
        """A file in which no section would be read stays as it is, and what it is is told."""
        file.write_text(text)
        why = refused(file)
        assert why.startswith(f"nothing was written: {file} ")
        assert "Claude Code Router" in why or "LiteLLM" in why

    def test_no_text(self, file: Path) -> None:
        """So does one that is no text."""
        file.write_bytes(b"\xff\xfe")
        assert refused(file) == f"{file} is not UTF-8"

    def test_no_file(self, tmp_path: Path) -> None:
        """A file that is not there is not made: it would be no configuration."""
        with pytest.raises(ExpectedFailure, match="cannot be read: No such file"):
            made(tmp_path / "none.ini")
        with pytest.raises(ExpectedFailure, match=r"no configuration was found .*--config"):
            new_key("alice", None, {"XDG_CONFIG_HOME": str(tmp_path)})

    def test_protected(self, file: Path) -> None:
        """A file that its owner protects against changes is respected, also by root."""
        file.chmod(0o400)
        assert refused(file) == f"{file} cannot be written: read-only"

    def test_changed_meanwhile(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What somebody else writes at the same moment is not lost."""
        real = staged_file.stage

        def stage(path: Path, content: bytes) -> staged_file.StagedFile:
            path.write_text("# theirs\n")
            return real(path, content)

        monkeypatch.setattr(staged_file, "stage", stage)
        with pytest.raises(ExpectedFailure, match="was changed meanwhile; run this again"):
            made(file)
        assert file.read_text() == "# theirs\n"
        assert list(file.parent.iterdir()) == [file]

    def test_owner(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that would get another owner, so that the daemon could not read it, stays as it is."""

        def fchown(*_: int) -> None:
            raise PermissionError(1, "not permitted")

        monkeypatch.setattr(os, "fchown", fchown)
        os.chown(file, os.getuid(), _other_group())
        assert "would get another owner or group" in refused(file)


def _other_group() -> int:
    """Return a group that is not this process's first one, if it may give files away to one."""
    found = next((each for each in os.getgroups() if each != os.getgid()), None)
    if found is None and os.getuid() == 0:
        return os.getgid() + 1
    if found is None:
        pytest.skip("this user is in one group only")
    return found
