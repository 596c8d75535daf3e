"""Promises of the commands `setup` and `undo`: sentences that say what happened, what will happen, and what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from claude_bridge.client.chosen_bridge import BridgeOrder, ChosenBridge
from claude_bridge.client.environment import settings
from claude_bridge.client.http_probe import BridgeSeen
from claude_bridge.client.offered_models import OfferedModel
from claude_bridge.client.person import Person
from claude_bridge.client.setup_command import Report, Wanted, is_address, set_up, take_back
from claude_bridge.client.status_setting import KEPT, is_ours
from claude_bridge.config.schema import Config
from tests.client.servers import BACKEND, BRIDGE, serving
from tests.client.setups import Home
from tests.client.test_person import person
from tests.config.files import config_of

read = json.JSONDecoder().decode

TEXT = """
[server]
credentials = none
[backend:b]
url = http://b/v1
[model:glm]
backend = b
context_window = 131072
[model:eyes]
backend = b
context_window = 60000
[route:default]
models = glm
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a user with a project."""
    home = Home(tmp_path / "home")
    home.project.mkdir(parents=True)
    return home


@pytest.fixture
def config() -> Config:
    """Return a configuration with two models."""
    return config_of(TEXT)


RUNNING = BridgeSeen(answers=True)
SILENT = BridgeSeen(silent=True, told="nothing answers at http://127.0.0.1:8080: connection refused")
EDITS = (
    "Claude Code edits files without asking (permissions.defaultMode is acceptEdits); to be asked, write "
    '"default" there: setup keeps a mode that you set\n'
)


def run(home: Home, config: Config, url: str = "http://127.0.0.1:8080", **more: Any) -> Report:
    """Run `setup` for a bridge at an address, which runs."""
    order = BridgeOrder(url=url, model=more.pop("model", None), start=more.pop("start", "claude-bridge run"))
    bridge = ChosenBridge(
        order=order,
        config=config,
        settings=settings(config, url, main=order.model),
        seen=more.pop("seen", RUNNING),
        main=more.pop("main", None),
        notes=more.pop("notes", ()),
    )
    who = more.pop("person", Person(io.StringIO()))
    environ = more.pop("environ", home.environ)
    return set_up(bridge, environ, home.project, Wanted(**more), who, str(home.folder.parent / "managed"))


class SetUpTests:
    """`claude-bridge setup`."""

    def test_user(self, home: Home, config: Config) -> None:
        """It says what was written, what Claude Code does now, and how to go back."""
        assert run(home, config) == Report(
            shown=f"{home.settings}: written\n"
            f"Claude Code now uses http://127.0.0.1:8080; `claude-bridge undo` puts it back\n{EDITS}"
        )
        assert run(home, config).shown.startswith(f"{home.settings}: nothing to change\nClaude Code now uses ")

    def test_project(self, home: Home, config: Config) -> None:
        """For a project it names the folder, and the command for it."""
        path = home.place(project=True).settings
        assert run(home, config, project=True, url="https://bridge.lan/v1").shown == (
            f"{path}: written\nClaude Code in {home.project} now uses https://bridge.lan; "
            f"`claude-bridge undo --project` puts it back\n{EDITS}"
        )

    def test_mode(self, home: Home, config: Config) -> None:
        """A permission mode of the user's stays, in a project too, and then nothing is said of it."""
        home.has('{"permissions": {"defaultMode": "plan"}}')
        for project in (False, True):
            assert "permissions" not in run(home, config, project=project).shown
            written = read(home.place(project=project).settings.read_text())["permissions"]
            assert written == ({"disableAutoMode": "disable"} if project else {"defaultMode": "plan"} | written)

    def test_status_line(self, home: Home, config: Config) -> None:
        """The status line is installed unless that is not wanted, which takes an earlier one back."""
        assert "status line" not in run(home, config).shown
        assert is_ours(read(home.settings.read_text())["statusLine"])
        run(home, config, status_line=False)
        assert "statusLine" not in read(home.settings.read_text())
        run(home, config)
        assert "statusLine" in take_back(home.environ, home.project).shown
        assert not home.settings.exists()

    def test_own_status_line(self, home: Home, config: Config) -> None:
        """One of the user's stays, in a project too, and is said to; `undo` leaves it as well."""
        own = '{"statusLine": {"type": "command", "command": "mine.sh"}}'
        home.has(own)
        for project in (False, True):
            assert KEPT in run(home, config, project=project, dry_run=True).warnings
            assert f"{KEPT}\n" in run(home, config, project=project).shown
            assert KEPT not in run(home, config, project=project, status_line=False).shown
            written = read(home.place(project=project).settings.read_text())
            assert written.get("statusLine", {}).get("command") == (None if project else "mine.sh")
        take_back(home.environ, home.project)
        assert home.settings.read_text() == own

    def test_status_line_since(self, home: Home, config: Config) -> None:
        """One that the user has put in the place of ours is theirs."""
        run(home, config)
        text = home.settings.read_text()
        home.has(text.replace("entry statusline", "entry statusline | mine.sh"))
        assert f"{KEPT}\n" in run(home, config).shown
        shown = take_back(home.environ, home.project).shown
        assert "left statusLine, which was changed since\n" in shown
        assert read(home.settings.read_text())["statusLine"]["command"].endswith("| mine.sh")

    def test_no_bridge(self, home: Home, config: Config) -> None:
        """A bridge that does not run yet is said with the command that starts it; one elsewhere is a warning."""
        report = run(home, config, seen=SILENT, start="claude-bridge run my.ini")
        told = "no bridge answers at http://127.0.0.1:8080 yet: start it with `claude-bridge run my.ini`\n"
        assert (report.shown.endswith(told), report.warnings) == (True, ())
        report = run(home, config, seen=SILENT, start="")
        assert report.warnings == (f"{SILENT.told}: start the bridge there, or correct --url",)
        foreign = BridgeSeen(told="http://b answers: add it to allowed_hosts")
        assert run(home, config, seen=foreign, start="").warnings == (foreign.told,)

    def test_dry_run(self, home: Home, config: Config) -> None:
        """A dry run shows the changes, and makes none."""
        report = run(home, config, dry_run=True)
        assert '+    "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080",\n' in report.shown
        assert not home.settings.exists()
        run(home, config)
        assert run(home, config, dry_run=True).shown == f"{home.settings}: nothing to change\n"

    def test_model(self, home: Home, config: Config) -> None:
        """A model that is named is used, with its window; what could not be found out of it is told."""
        assert run(home, config, model="eyes").warnings == ()
        found = read(home.settings.read_text())["env"]
        assert (found["ANTHROPIC_MODEL"], found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"]) == ("eyes@claude-bridge", "60000")
        note = "whether the bridge has it cannot be said"
        assert run(home, config, model="eyes", notes=(note,)).warnings == (note,)

    def test_window(self, home: Home, config: Config) -> None:
        """A window that is not known is warned of, unless the user's settings have it."""
        told = (
            "the window of glm is not known, and Claude Code assumes 1,000,000 tokens: set `context_window` in [model:"
        )
        glm = OfferedModel(name="glm", label="glm")
        (warning,) = run(home, evolve(config, source="c.ini"), main=glm, project=True, dry_run=True).warnings
        assert warning.endswith("then run `claude-bridge setup --project` again")
        (warning,) = run(home, evolve(config, source="c.ini"), main=glm).warnings
        assert warning == f"{told}glm] of c.ini, then run `claude-bridge setup` again"
        home.has('{"env": {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "50000"}}')
        assert run(home, config, main=glm).warnings == ()

    def test_stronger_settings(self, home: Home, config: Config) -> None:
        """Where others win, the last sentence does not claim that the bridge is used."""
        run(home, config, project=True, url="http://other")
        local = home.place(project=True).settings
        report = run(home, config)
        assert report.shown.endswith(
            f"Claude Code now uses http://127.0.0.1:8080, but in {home.project} still the address in "
            f"env.ANTHROPIC_BASE_URL of {local}; `claude-bridge undo` puts it back\n{EDITS}"
        )
        assert report.warnings == (f"{local} sets env.ANTHROPIC_BASE_URL, which wins over {home.settings}",)
        managed = home.folder.parent / "managed" / "managed-settings.json"
        managed.parent.mkdir()
        managed.write_text('{"env": {"ANTHROPIC_BASE_URL": "http://org"}}')
        assert f"Claude Code still uses the address in env.ANTHROPIC_BASE_URL of {managed}; " in run(home, config).shown

    def test_key(self, home: Home, config: Config) -> None:
        """A key that is needed is asked for, with the reason, and not printed; nobody to ask is an error."""
        asking = evolve(RUNNING, key_needed=True)
        why = "the bridge at http://127.0.0.1:8080 asks for a key"
        report = run(home, config, seen=asking)
        told = f"{why}, and there is no terminal to ask at: set ANTHROPIC_AUTH_TOKEN to it; nothing was changed"
        assert report == Report(error=told)
        assert home.tree() == {}
        with serving(BRIDGE, key="sk-typed") as url:
            somebody, out = person(secret="sk-typed")
            report = run(home, config, url, seen=asking, person=somebody)
        assert report.error is None
        assert out.getvalue() == f"the bridge at {url} asks for a key\nANTHROPIC_AUTH_TOKEN (not shown): "
        assert read(home.settings.read_text())["env"]["ANTHROPIC_AUTH_TOKEN"] == "sk-typed"
        assert "sk-typed" not in repr(report)

    def test_no_key(self, home: Home, config: Config) -> None:
        """Where nobody wants one nobody is asked."""
        config = evolve(config, server=evolve(config.server, credentials="forward"))
        with serving(BACKEND) as url:
            backend = evolve(config.backends["b"], url=f"{url}/v1")
            assert run(home, evolve(config, backends={"b": backend})).error is None
        assert read(home.settings.read_text())["env"]["ANTHROPIC_AUTH_TOKEN"] == "unused"

    def test_refused(self, home: Home, config: Config) -> None:
        """A file that cannot be edited is an error with its place."""
        path = home.has("{\n// mine\n}")
        report = run(home, config)
        assert report.error is not None
        assert report.error.startswith(f"{path}: line 2, column 1: a comment is not allowed")
        assert run(home, config, environ={}).error == "no home folder is known: set HOME"


class TakeBackTests:
    """`claude-bridge undo`."""

    def test_all(self, home: Home, config: Config) -> None:
        """It names what was taken back and what was removed."""
        run(home, config)
        lines = take_back(home.environ, home.project).shown.splitlines()
        told = f"{home.settings}: took back env.ANTHROPIC_BASE_URL and 18 more of env, permissions.defaultMode, "
        assert lines[0].startswith(told)
        assert lines[1:] == [
            f"removed {home.settings}, which claude-bridge setup had made",
            f"removed {home.settings.parent}, which claude-bridge setup had made",
        ]

    def test_left(self, home: Home, config: Config) -> None:
        """And what was left, with the reason."""
        run(home, config)
        home.settings.write_text(home.settings.read_text().replace("8080", "9090"))
        assert "left env.ANTHROPIC_BASE_URL, which was changed since\n" in take_back(home.environ, home.project).shown

    def test_nothing(self, home: Home) -> None:
        """Without a receipt it is one sentence."""
        nothing = f"nothing to undo: claude-bridge setup has not changed {home.settings}\n"
        assert take_back(home.environ, home.project) == Report(shown=nothing)
        home.has('{"model": "glm@claude-bridge"}')
        shown = take_back(home.environ, home.project).shown
        assert shown == f"{home.settings}: took back model, which was glm@claude-bridge\n"

    def test_gone(self, home: Home, config: Config) -> None:
        """If somebody has taken all of it away already, that is said."""
        run(home, config)
        home.settings.unlink()
        assert take_back(home.environ, home.project).shown.startswith(f"{home.settings}: ")

    def test_model_of_the_user(self, home: Home, config: Config) -> None:
        """A session in a project has saved the model in the user's settings: for these there is another command."""
        run(home, config, project=True)
        home.has('{"model": "glm@claude-bridge"}')
        assert take_back(home.environ, home.project, project=True).warnings == (
            f"{home.settings} has the model glm@claude-bridge, saved by /model: `claude-bridge undo` removes it",
        )

    def test_error(self, home: Home, config: Config) -> None:
        """A file that cannot be edited any more is an error."""
        run(home, config)
        home.settings.write_text("[")
        report = take_back(home.environ, home.project)
        assert report.error is not None
        assert report.error.startswith(f"{home.settings}: ")


class ReportTests:
    """What is printed."""

    def test_write(self) -> None:
        """Text goes to standard output, warnings and the error to standard error, with the exit status."""
        out, err = io.StringIO(), io.StringIO()
        assert Report(shown="done\n", warnings=("w",)).write("setup", out, err) == 0
        assert Report(error="no").write("undo", out, err) == 1
        assert (out.getvalue(), err.getvalue()) == ("done\n", "warning: w\nclaude-bridge undo: no\n")

    @pytest.mark.parametrize(
        ("url", "valid"),
        [
            ("http://127.0.0.1:8080", True),
            ("https://bridge.lan/v1", True),
            ("http://[::1]:8080", True),
            ("bridge:8080", False),
            ("8080", False),
            ("http://", False),
            ("http://h:0", False),
            ("http://h:port", False),
            ("ftp://h", False),
            ("http://[::1", False),
        ],
    )
    def test_address(self, url: str, valid: bool) -> None:
        """Only what a client can connect to is an address."""
        assert is_address(url) == valid
