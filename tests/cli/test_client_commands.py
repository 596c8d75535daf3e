"""The commands that start or set up Claude Code."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from claude_bridge.cli import Surroundings, main
from claude_bridge.client import chosen_bridge, managed_prices
from claude_bridge.client.http_probe import BridgeSeen
from claude_bridge.services.knowledge.snapshot import digest
from tests.cli.conftest import VALID


class EnvTests:
    """`claude-bridge env`."""

    def test_shell(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """By default export lines come out, for the address and the model of the configuration."""
        assert main(["env", "--config", config], surroundings) == 0
        plain = capsys.readouterr().out
        assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:9090\n" in plain
        assert "export ANTHROPIC_MODEL=m@claude-bridge\n" in plain
        assert "the-secret" not in plain
        assert main(["env", "--shell", "--config", config], surroundings) == 0
        assert capsys.readouterr().out == plain

    def test_settings_file_that_wins(
        self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A settings file that beats the export lines is named with its key, in a comment."""
        monkeypatch.chdir(tmp_path)
        environ = {"KEY": "k", "CLAUDE_CONFIG_DIR": str(tmp_path)}
        assert main(["env", "--config", config], Surroundings(environ, lambda _: None)) == 0
        assert capsys.readouterr().out.endswith("`claude-bridge setup` writes these there\n")
        (tmp_path / "settings.json").write_text('{"env": {"ANTHROPIC_BASE_URL": "http://other"}}')
        assert main(["env", "--config", config], Surroundings(environ, lambda _: None)) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == f"# here {tmp_path}/settings.json sets env.ANTHROPIC_BASE_URL"

    def test_json(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """With --json a settings.json comes out, for another address if that is asked for."""
        assert main(["env", "--json", "--config", config, "--url", "http://127.0.0.1:9/"], surroundings) == 0
        found = json.JSONDecoder().decode(capsys.readouterr().out)
        assert found["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"
        assert found["modelPicker"]["options"][0]["model"] == "m@claude-bridge"
        assert found["statusLine"]["command"].endswith(" statusline")
        assert main(["env", "--json", "--no-statusline", config], surroundings) == 0
        assert "statusLine" not in capsys.readouterr().out

    def test_vscode(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """With --vscode the part of VS Code's settings comes out."""
        assert main(["env", "--vscode", config], surroundings) == 0
        found = json.JSONDecoder().decode(capsys.readouterr().out)
        variables = found["claudeCode.environmentVariables"]
        assert {"name": "ANTHROPIC_BASE_URL", "value": "http://127.0.0.1:9090"} in variables

    def test_aliases(
        self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """With --aliases there is a function for each model, for the same bridge, also without a fixed port."""
        assert main(["env", "--aliases", "--url", "http://127.0.0.1:9", "-c", config], surroundings) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        assert lines == ['claude-m() { claude-bridge launch --url http://127.0.0.1:9 m -- "$@"; }']
        path = tmp_path / "c.ini"
        path.write_text(VALID.replace("tcp:9090", "tcp:0"))
        assert main(["env", "--aliases", str(path)], surroundings) == 0
        assert f"claude-bridge launch --config {path} m --" in capsys.readouterr().out

    def test_secrets_out_of_reach(self, config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The file of a service is read although its keys are root's."""
        Path(config).write_text(VALID.replace("${KEY}", "credential:chutes"))
        assert main(["env", config], Surroundings({"HOME": str(tmp_path)}, lambda _: None)) == 0
        assert "export ANTHROPIC_AUTH_TOKEN=unused\n" in capsys.readouterr().out

    def test_unknown_window(self, config: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A window that is not known is told in a comment, with the line that sets it."""
        assert main(["env", config], Surroundings({"KEY": "k", "HOME": "/h"}, lambda _: None)) == 0
        told = f"1,000,000 tokens: set `context_window` in [model:m] of {config}\n"
        assert told in capsys.readouterr().out

    def test_learned_window(self, config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A window that the bridge has found out is told."""
        learned = {"name": "b", "url": digest("http://127.0.0.1:8000/v1"), "used": time.time()}
        learned["models"] = [{"model": "m", "listed": 8192, "used": time.time()}]
        (tmp_path / "learned.json").write_text(json.dumps({"version": 1, "backends": [learned]}))
        environ = {"KEY": "the-secret", "STATE_DIRECTORY": str(tmp_path)}
        assert main(["env", config], Surroundings(environ, lambda _: None)) == 0
        assert "export CLAUDE_CODE_MAX_CONTEXT_TOKENS=8192\n" in capsys.readouterr().out

    def test_variables_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a file the variables decide: address, model, and that no key is needed; the key is not shown."""
        environ = {"HOST_PORT": "0.0.0.0:9090", "MODEL": "org/M", "BACKEND_URL": "http://vllm:8000/v1"}
        assert main(["env"], Surroundings(environ, lambda _: None)) == 0
        shown = capsys.readouterr().out
        assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:9090\n" in shown
        assert "export ANTHROPIC_MODEL=org/M@claude-bridge\n" in shown
        assert "export ANTHROPIC_AUTH_TOKEN=YOUR-BACKEND-KEY\n" in shown
        environ = {**environ, "HOST_PORT": "9090", "BACKEND_API_KEY": "the-secret"}
        assert main(["env"], Surroundings(environ, lambda _: None)) == 0
        shown = capsys.readouterr().out
        assert "export ANTHROPIC_AUTH_TOKEN=unused\n" in shown
        assert "the-secret" not in shown

    def test_unknown_address(
        self, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """Where the configuration does not tell the port, the option that does is named."""
        path = tmp_path / "c.ini"
        path.write_text("[server]\nlisten = tcp:0:interface=127.0.0.1\n")
        assert main(["env", "--config", str(path)], surroundings) == 1
        assert "--url" in capsys.readouterr().err


class SetupTests:
    """`claude-bridge setup` and `claude-bridge undo`."""

    @pytest.fixture(autouse=True)
    def _project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work in a project, on a machine where no bridge answers."""
        (tmp_path / "project").mkdir()
        monkeypatch.chdir(tmp_path / "project")
        monkeypatch.setattr(chosen_bridge, "look", lambda url, _key: BridgeSeen(silent=True, told=f"nothing at {url}"))

    @pytest.mark.parametrize("project", [[], ["--project"]])
    def test_there_and_back(
        self, project: list[str], config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The settings are written for the configuration's address, the model and key are used, and all is undone."""
        path = tmp_path / ("project/.claude/settings.local.json" if project else "home/.claude/settings.json")
        path.parent.mkdir(parents=True)
        path.write_text('{"theme": "dark"}')
        surroundings = Surroundings({"KEY": "the-secret", "HOME": str(tmp_path / "home")}, lambda _: None)
        assert main(["setup", "--dry-run", *project, "-c", config], surroundings) == 0
        assert "+++ " in capsys.readouterr().out
        assert path.read_text() == '{"theme": "dark"}'
        assert main(["setup", *project, "--config", config, "m"], surroundings) == 0
        out, err = capsys.readouterr()
        told = f"now uses http://127.0.0.1:9090; `{' '.join(['claude-bridge undo', *project])}` puts it back\n"
        assert told in out
        assert out.endswith(
            f"\nno bridge answers at http://127.0.0.1:9090 yet: start it with `claude-bridge run {config}`\n"
        )
        assert err == (
            "warning: the window of m is not known, and Claude Code assumes 1,000,000 tokens: set `context_window` in "
            f"[model:m] of {config}, then run `{' '.join(['claude-bridge setup', *project])}` again\n"
        )
        found = json.JSONDecoder().decode(path.read_text())
        assert found["env"]["ANTHROPIC_MODEL"] == "m@claude-bridge"
        assert "the-secret" not in path.read_text()
        assert main(["undo", *project], surroundings) == 0
        assert capsys.readouterr().out.startswith(f"{path}: took back env.ANTHROPIC_BASE_URL")
        assert path.read_text() == '{"theme": "dark"}'

    def test_as_env(self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The settings are those that `env` prints, also of a service whose secrets are root's."""
        Path(config).write_text(VALID.replace("${KEY}", "credential:chutes"))
        surroundings = Surroundings({"HOME": str(tmp_path / "home")}, lambda _: None)
        assert main(["env", "--json", config], surroundings) == 0
        printed = json.JSONDecoder().decode(capsys.readouterr().out)["env"]
        assert main(["setup", "--config", config], surroundings) == 0
        written = json.JSONDecoder().decode((tmp_path / "home/.claude/settings.json").read_text())["env"]
        assert written == {**printed, "ANTHROPIC_API_KEY": ""}

    def test_no_address(self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a listener whose port is known the address has to be given."""
        Path(config).write_text(VALID.replace("tcp:9090", "tcp:0"))
        surroundings = Surroundings({"KEY": "k", "HOME": str(tmp_path)}, lambda _: None)
        assert main(["setup", "--dry-run", "--config", config], surroundings) == 1
        assert "give the bridge's address with --url" in capsys.readouterr().err
        assert main(["setup", "--dry-run", "--url", "http://b:1", "--config", config], surroundings) == 0

    def test_error(self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What cannot be changed is one line, and status 1."""
        path = tmp_path / "settings.json"
        path.write_text("{} // mine")
        surroundings = Surroundings({"KEY": "k", "HOME": "/h", "CLAUDE_CONFIG_DIR": str(tmp_path)}, lambda _: None)
        assert main(["setup", "--config", config], surroundings) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"claude-bridge setup: {path}: line 1, column 4: a comment is not allowed")
        assert main(["undo"], surroundings) == 1
        assert capsys.readouterr().err.startswith(f"claude-bridge undo: {path}: ")


@pytest.mark.usefixtures("signals_kept")
class ManagedTests:
    """`claude-bridge setup --managed` and `claude-bridge undo --managed`."""

    def test_managed(
        self,
        tmp_path: Path,
        surroundings: Surroundings,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The prices are printed, written where the client reads them, and removed by a command of their own."""
        managed = tmp_path / "managed" / "managed-settings.d" / "50-claude-bridge.json"
        monkeypatch.setattr(managed_prices, "managed_file", lambda: managed)
        path = tmp_path / "prices.ini"
        path.write_text("[backend:b]\nurl = http://127.0.0.1:1/v1\n[model:m]\n[price:m]\ninput = 1\noutput = 2\n")
        command = ["setup", "--managed", "--config", str(path)]
        assert main([*command, "--print"], surroundings) == 0
        printed = capsys.readouterr()
        rows = json.JSONDecoder().decode(printed.out)["modelPricing"]["overrides"]
        assert rows["m@claude-bridge"] == {"input": 1, "output": 2, "cacheRead": 1, "cacheWrite": 1}
        assert printed.err.startswith(f"this belongs in {managed}")
        assert not managed.exists()
        assert main(command, surroundings) == 0
        assert managed.read_text() == printed.out
        capsys.readouterr()
        assert main(["undo"], Surroundings({"HOME": str(tmp_path)}, lambda _: None)) == 0
        told = f"warning: {managed} has the prices of the bridge's models still: `claude-bridge undo --managed`"
        assert capsys.readouterr().err.startswith(told)
        assert main(["undo", "--managed"], surroundings) == 0
        assert not managed.exists()
        path.write_text("[backend:b]\nurl = http://127.0.0.1:1/v1\n[model:m]\n")
        capsys.readouterr()
        for more in ([], ["--print"], ["--dry-run"]):
            assert main([*command, *more], surroundings) == 1
            printed = capsys.readouterr()
            assert printed.out == ""
            assert f"claude-bridge setup: no price is known for any model of {path}: " in printed.err
