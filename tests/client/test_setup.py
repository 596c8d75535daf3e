"""Promises of `claude-bridge setup`: our members are written, all else stays, and what was there is kept."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from attrs import evolve

from claude_bridge.client import environment
from claude_bridge.client.environment import PERMISSION_MODE, TOKEN
from claude_bridge.client.settings_draft import SetupError, place
from claude_bridge.client.setup import PLACEHOLDER, published_names
from claude_bridge.client.undo import undo
from claude_bridge.config.schema import Backend, ClientKey, Config, Server
from claude_bridge.config.secret import Secret
from tests.client.settings_samples import HOOKS, REFUSED, ROUTER, SAMPLES
from tests.client.setups import SETTINGS, URL, Home, needing_token, nobody, setting
from tests.config.files import config_of

read = json.JSONDecoder().decode


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a user with a project."""
    home = Home(tmp_path)
    home.project.mkdir()
    return home


def variables(path: Path) -> dict[str, str]:
    """Return the variables in a settings file."""
    found: dict[str, str] = read(path.read_text())["env"]
    return found


class ApplyTests:
    """What is written."""

    def test_no_file(self, home: Home) -> None:
        """Without settings a file for the owner alone is made, with everything that a permanent set-up needs."""
        assert home.setup().apply(nobody)
        assert read(home.settings.read_text()) == {
            "env": {
                "ANTHROPIC_BASE_URL": URL,
                "ANTHROPIC_AUTH_TOKEN": "unused",
                "ANTHROPIC_API_KEY": "",
                "ANTHROPIC_MODEL": "glm@claude-bridge",
                "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "131072",
            },
            "permissions": {"defaultMode": PERMISSION_MODE, "disableAutoMode": "disable"},
        }
        assert stat.S_IMODE(home.settings.stat().st_mode) == 0o600

    def test_others_stay(self, home: Home) -> None:
        """Everything else is as it was: hooks, plugins, a permission mode of the user's, variables of others."""
        path = home.has(HOOKS)
        assert home.setup().apply(nobody)
        now = read(path.read_text())
        assert now.pop("env")["ANTHROPIC_BASE_URL"] == URL
        assert now["permissions"].pop("disableAutoMode") == "disable"
        assert now == read(HOOKS)
        path = home.has(ROUTER)
        assert home.setup().apply(nobody)
        assert variables(path) == {
            **read(ROUTER)["env"],
            **{each.name: each.value for each in SETTINGS if each.ready},
            "ANTHROPIC_API_KEY": "",
        }

    @pytest.mark.parametrize(
        ("own", "now"),
        [
            (None, PERMISSION_MODE),
            ("auto", PERMISSION_MODE),
            ("default", "default"),
            (PERMISSION_MODE, PERMISSION_MODE),
        ],
    )
    def test_permission_mode(self, own: str | None, now: str, home: Home) -> None:
        """A mode of the user's stays, but for auto mode, which no bridge can serve; undo brings all of it back."""
        before = json.dumps({} if own is None else {"permissions": {"defaultMode": own}})
        path = home.has(before)
        for _ in range(2):
            home.setup().apply(nobody)
            assert read(path.read_text())["permissions"] == {"defaultMode": now, "disableAutoMode": "disable"}
            assert home.setup().mode() == (now if own in (None, "auto") else None)
        undo(home.place())
        assert path.read_text() == before

    def test_mode_that_is_changed(self, home: Home) -> None:
        """Whoever writes another mode after it keeps that one in the next run."""
        path = home.has("{}")
        home.setup().apply(nobody)
        path.write_text(path.read_text().replace(PERMISSION_MODE, "default"))
        home.setup().apply(nobody)
        assert read(path.read_text())["permissions"]["defaultMode"] == "default"
        assert home.setup().mode() is None

    def test_inherited_mode(self, home: Home) -> None:
        """A project's settings do not beat the mode that the user's have."""
        path = home.place(project=True).settings
        evolve(home.setup(project=True), inherited="plan").apply(nobody)
        assert read(path.read_text())["permissions"] == {"disableAutoMode": "disable"}
        evolve(home.setup(project=True), inherited="auto").apply(nobody)
        assert read(path.read_text())["permissions"]["defaultMode"] == PERMISSION_MODE

    def test_project(self, home: Home) -> None:
        """For a project its local settings are written, neither the shared ones nor the user's."""
        shared = home.project / ".claude" / "settings.json"
        shared.parent.mkdir()
        shared.write_text("{}")
        assert home.setup(project=True).apply(nobody)
        assert variables(shared.parent / "settings.local.json")["ANTHROPIC_BASE_URL"] == URL
        assert shared.read_text() == "{}"
        assert not home.settings.exists()

    @pytest.mark.parametrize("name", SAMPLES)
    def test_twice(self, name: str, home: Home) -> None:
        """A second run changes no byte, of the settings or the receipt, and does not write them."""
        path = home.has(SAMPLES[name])
        setup = home.setup()
        assert setup.apply(nobody)
        before = [(each.read_bytes(), each.stat().st_ino) for each in (path, setup.where.receipt)]
        assert not setup.apply(nobody)
        assert [(each.read_bytes(), each.stat().st_ino) for each in (path, setup.where.receipt)] == before

    def test_another_configuration(self, home: Home) -> None:
        """A later run follows the configuration: values change, and what is no longer wanted is as it was before."""
        path = home.has('{"env": {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "9"}}')
        home.setup().apply(nobody)
        assert variables(path)["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "131072"
        more = setting("ANTHROPIC_BASE_URL", "http://other"), setting("NEW", "1")
        home.setup(*more, without="CLAUDE_CODE_MAX_CONTEXT_TOKENS").apply(nobody)
        now = variables(path)
        assert (now["CLAUDE_CODE_MAX_CONTEXT_TOKENS"], now["ANTHROPIC_BASE_URL"], now["NEW"]) == (
            "9",
            "http://other",
            "1",
        )
        home.setup(without="CLAUDE_CODE_MAX_CONTEXT_TOKENS").apply(nobody)
        assert "NEW" not in variables(path)
        undo(home.place())
        assert path.read_text() == '{"env": {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "9"}}'

    def test_changed_between(self, home: Home) -> None:
        """What somebody has written over ours since is what comes back after a second run."""
        path = home.has("{}")
        home.setup().apply(nobody)
        path.write_text(path.read_text().replace(URL, "http://mine"))
        home.setup().apply(nobody)
        undo(home.place())
        assert read(path.read_text()) == {"env": {"ANTHROPIC_BASE_URL": "http://mine"}}

    def test_symbolic_link(self, home: Home) -> None:
        """A link stays one, and its file changes; mode and owner stay."""
        real = home.folder / "dotfiles" / "claude.json"
        real.parent.mkdir()
        real.write_text(ROUTER)
        real.chmod(0o640)
        home.settings.parent.mkdir()
        home.settings.symlink_to("../dotfiles/claude.json")
        assert home.setup().apply(nobody)
        assert home.settings.is_symlink()
        assert variables(real)["ANTHROPIC_BASE_URL"] == URL
        assert stat.S_IMODE(real.stat().st_mode) == 0o640
        undo(home.place())
        assert (home.settings.is_symlink(), real.read_text()) == (True, ROUTER)

    def test_receipt_for_the_owner(self, home: Home) -> None:
        """What stood there before, other keys among it, can be read by the owner alone; no new key is in it."""
        home.has(ROUTER)
        setup = home.setup(setting("ANTHROPIC_AUTH_TOKEN", "sk-mine-123456"))
        setup.apply(nobody)
        assert stat.S_IMODE(setup.where.receipt.stat().st_mode) == 0o600
        assert stat.S_IMODE(setup.where.receipt.parent.stat().st_mode) == 0o700
        content = setup.where.receipt.read_text()
        assert "sk-router-0123456789" in content
        assert "sk-mine-123456" not in content

    def test_shared_state_directory(self, home: Home) -> None:
        """Each settings file has its own receipt."""
        assert home.place().receipt != home.place(project=True).receipt
        assert home.place().receipt.parent == home.folder / ".local" / "state" / "claude-bridge"


class RefusedTests:
    """What is not changed."""

    @pytest.mark.parametrize(("content", "told"), REFUSED.items(), ids=range(len(REFUSED)))
    def test_no_strict_json(self, content: bytes, told: str, home: Home) -> None:
        """Comments and all else that is no strict JSON is refused with file and place, and nothing is written."""
        path = home.has(content)
        before = home.tree()
        with pytest.raises(SetupError) as caught:
            home.setup().apply(nobody)
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).endswith("; nothing was changed")
        assert told in str(caught.value)
        assert home.tree() == before

    @pytest.mark.parametrize("content", ['{"env": []}', '{"permissions": null, "env": {}}'])
    def test_no_object(self, content: str, home: Home) -> None:
        """Neither is a file whose members are of another kind than the client takes."""
        home.has(content)
        before = home.tree()
        with pytest.raises(SetupError, match="is not an object"):
            home.setup().apply(nobody)
        assert home.tree() == before

    @pytest.mark.parametrize("protected", ["file", "folder", "home"])
    def test_read_only(self, protected: str, home: Home) -> None:
        """What its owner protects is not replaced, not even by root; the error says which file it is."""
        home.has("{}")
        path = {"file": home.settings, "folder": home.settings.parent, "home": home.folder}[protected]
        if protected == "home":
            home.settings.unlink()
            home.settings.parent.rmdir()
        before = home.tree()
        path.chmod(0o444 if protected == "file" else 0o555)
        with pytest.raises(SetupError, match=f"^{path}: read-only; nothing was changed$"):
            home.setup().apply(nobody)
        path.chmod(0o755)
        assert home.tree() == before

    def test_no_state_directory(self, home: Home) -> None:
        """Where no receipt can be kept nothing is written, and no folder is left."""
        (home.folder / ".local").write_text("")
        before = home.tree()
        with pytest.raises(SetupError, match="nothing was changed"):
            home.setup().apply(nobody)
        assert home.tree() == before

    def test_folder_in_the_way(self, home: Home) -> None:
        """A folder with the file's name is no file."""
        home.settings.mkdir(parents=True)
        with pytest.raises(SetupError, match=r"settings\.json: not a file"):
            home.setup().apply(nobody)

    def test_links_in_a_circle(self, home: Home) -> None:
        """Neither is a link to itself."""
        home.settings.parent.mkdir()
        home.settings.symlink_to("settings.json")
        with pytest.raises(SetupError, match=r"settings\.json"):
            home.setup().apply(nobody)

    def test_changed_meanwhile(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """What another program writes at the same time is not lost."""
        path = home.has("{}")
        sync = os.fsync
        monkeypatch.setattr(os, "fsync", lambda descriptor: (sync(descriptor), path.write_text('{"a": 1}')))
        with pytest.raises(SetupError, match="another program"):
            home.setup().apply(nobody)
        assert path.read_text() == '{"a": 1}'
        assert list(path.parent.iterdir()) == [path]

    def test_damaged_receipt(self, home: Home) -> None:
        """Without what stood there before nothing more is changed."""
        home.has(ROUTER)
        setup = home.setup()
        setup.apply(nobody)
        setup.where.receipt.write_text("{")
        before = home.tree()
        with pytest.raises(SetupError, match=r"setup-\w+\.json is damaged"):
            setup.apply(nobody)
        assert home.tree() == before

    def test_no_home(self, tmp_path: Path) -> None:
        """Without a home the error says so."""
        with pytest.raises(SetupError, match="set HOME"):
            place({}, tmp_path, project=False)


class TokenTests:
    """The token that only the person knows."""

    def test_from_the_environment(self, home: Home) -> None:
        """The environment's is taken, and nobody is asked."""
        needing_token(home.setup(token=" sk-mine \n"), needed=True).apply(nobody)
        assert variables(home.settings)[TOKEN] == "sk-mine"

    def test_asked(self, home: Home) -> None:
        """Else it is asked for, with what is to be given; a second run takes what it was."""
        asked = []

        def ask(why: str) -> str:
            asked.append(why)
            return "sk-typed"

        setup = needing_token(home.setup(), needed=True, why="one of the bridge's keys")
        assert setup.apply(ask)
        assert asked == ["one of the bridge's keys"]
        assert variables(home.settings)[TOKEN] == "sk-typed"
        assert not setup.apply(nobody)

    @pytest.mark.parametrize("token", ["", "YOUR-CLIENT-KEY"])
    def test_nothing_given(self, token: str, home: Home) -> None:
        """Where a key is needed there is an error without one; else any word will do, and nobody is asked."""
        with pytest.raises(SetupError, match="a key is needed, put it here; nothing was changed"):
            needing_token(home.setup(token=token), needed=True).apply(lambda _: " ")
        assert not home.settings.parent.exists()
        needing_token(home.setup(token=token), needed=False).apply(nobody)
        assert variables(home.settings)[TOKEN] == "unused"

    def test_of_another_program(self, home: Home) -> None:
        """A token that stands there for another router is no token for the bridge."""
        path = home.has(ROUTER)
        needing_token(home.setup(), needed=True).apply(lambda _: "sk-typed")
        assert variables(path)[TOKEN] == "sk-typed"

    @pytest.mark.parametrize("token", ["sk mine", "sk\nmine", "schlüssel", "sk-\x1b[A"])
    def test_no_token(self, token: str, home: Home) -> None:
        """What no header can hold is refused, and not repeated."""
        with pytest.raises(SetupError, match="ASCII letters, digits and signs") as caught:
            needing_token(home.setup(token=token), needed=True).apply(nobody)
        assert token not in str(caught.value)

    def test_placeholders(self) -> None:
        """Each value that only the person knows is recognized, and no other."""
        keys = {"a": ClientKey(name="a", secret=Secret("s"))}
        backends = {"default": Backend(name="default")}
        for credentials, personal in (("none", False), ("keys", True), ("forward", True)):
            config = Config(server=Server(credentials=credentials), keys=keys, backends=backends)  # type: ignore[arg-type]
            found = {each.name: each.value for each in environment.settings(config, URL)}
            assert found[TOKEN].startswith(PLACEHOLDER) == personal


class PreviewTests:
    """`--dry-run`."""

    def test_diff(self, home: Home) -> None:
        """The changes come out as a diff, without any key, and nothing is written."""
        home.has(ROUTER)
        before = home.tree()
        shown = needing_token(home.setup(token="sk-mine-123456"), needed=True).preview()
        assert home.tree() == before
        assert f"--- {home.settings}\n" in shown
        assert '\n-    "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",\n' in shown
        assert f'\n+    "ANTHROPIC_BASE_URL": "{URL}",\n' in shown
        assert '\n-    "ANTHROPIC_AUTH_TOKEN": "***",\n' in shown
        assert '\n+    "ANTHROPIC_AUTH_TOKEN": "*** (new)",\n' in shown
        assert '"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "131072"' in shown
        assert "sk-" not in shown

    def test_nobody_is_asked(self, home: Home) -> None:
        """Nobody is asked for a token."""
        assert "*** (new)" in needing_token(home.setup(), needed=True).preview()
        assert not home.settings.parent.exists()

    def test_nothing_to_do(self, home: Home) -> None:
        """After a set-up there is nothing left to change."""
        home.setup().apply(nobody)
        assert home.setup().preview() == ""


class ConfigurationTests:
    """What is taken from the configuration."""

    TEXT = """
[backend:b]
url = http://b/v1
[model:glm]
backend = b
[model:eyes]
backend = b
context_window = 60000
[model:opus]
backend = b
[route:default]
models = glm
[route:eyes]
models = eyes
when = image
"""

    def test_published_names(self) -> None:
        """Names that the client has by itself are not the bridge's alone."""
        assert published_names(config_of(self.TEXT)) == ("glm", "eyes")
