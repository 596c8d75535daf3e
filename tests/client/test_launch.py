"""Claude Code is started at the right place, and nothing is left behind."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from claude_bridge.client import launch, running_bridge
from claude_bridge.client.launch import cleared
from claude_bridge.client.person import Person
from claude_bridge.client.target import LaunchOrder
from tests.client.servers import BACKEND, BRIDGE, serving
from tests.client.test_person import Terminal

ONE: Mapping[str, object] = {**BACKEND, "/v1/models": {"data": [{"id": "zai/GLM", "max_model_len": 90_000}]}}

PROGRAM = """#!{python}
import json, os, sys, time, urllib.request
if "--settings" in sys.argv:
    path = sys.argv[sys.argv.index("--settings") + 1]
    settings = json.load(open(path))
    env = settings["env"]
    request = urllib.request.Request(env["ANTHROPIC_BASE_URL"] + "/v1/models")
    request.add_header("authorization", "Bearer " + env["ANTHROPIC_AUTH_TOKEN"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    seen = {{
        "arguments": sys.argv[1:], "environ": dict(os.environ), "settings": settings, "path": path, "pid": os.getpid(),
        "mode": os.stat(path).st_mode, "models": json.load(opener.open(request, timeout=30)),
    }}
    with open("{dump}.new", "w") as file:
        json.dump(seen, file)
    os.rename("{dump}.new", "{dump}")
if "sleep" in sys.argv:
    time.sleep(600)
sys.exit(7)
"""
"""Plays the client: notes what it was given, asks the bridge for its models, and ends with status 7."""


@frozen
class User:
    """Somebody with a home, a project and a client that plays Claude Code."""

    folder: Path
    more: dict[str, str] = field(factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The environment; nothing of the one of the tests."""
        own = {name: str(self.folder / name) for name in ("HOME", "XDG_RUNTIME_DIR", "TMPDIR")}
        return {**own, "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", **self.more}

    @property
    def seen(self) -> Any:
        """What the client noted."""
        return json.loads((self.folder / "seen.json").read_text())

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "claude_bridge.cli", "launch", *arguments]

    def launch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environ,
            cwd=self.folder / "project",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def tree(self) -> dict[str, object]:
        """Return every file and folder of the user, but what the client itself wrote."""
        return {
            str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for name in ("HOME", "project", "TMPDIR")
            for path in (self.folder / name).rglob("*")
        }

    def runtime_files(self) -> list[Path]:
        """Return what is in the runtime directory."""
        return [path for path in (self.folder / "XDG_RUNTIME_DIR").rglob("*") if not path.is_dir()]


@pytest.fixture
def user(tmp_path: Path) -> User:
    """Return a user."""
    for name in ("HOME", "XDG_RUNTIME_DIR", "TMPDIR", "project", "bin"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "claude"
    program.write_text(PROGRAM.format(python=sys.executable, dump=tmp_path / "seen.json"))
    program.chmod(0o755)
    return User(tmp_path)


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait up to twenty seconds for other processes."""
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.05)
    return False


def bridges(user: User) -> list[int]:
    """Return the processes of bridges that have the user's home."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if b"claude_bridge.daemon.tether" in command and f"HOME={user.environ['HOME']}".encode() in environ:
            found.append(int(folder.name))
    return found


class BackendTests:
    """A backend, and nothing else."""

    def test_everything(self, user: User) -> None:
        """A bridge is started in front of it; arguments and exit status get through, and nothing stays behind."""
        (user.folder / "HOME" / ".claude").mkdir()
        (user.folder / "HOME" / ".claude" / "settings.json").write_text('{"env": {"ANTHROPIC_BASE_URL": "http://old"}}')
        before = user.tree()
        with serving(ONE) as url:
            done = user.launch("--url", url, "--", "-p", "a  b", "--model", "x")
        assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
        seen = user.seen
        assert seen["arguments"] == ["--settings", seen["path"], "-p", "a  b", "--model", "x"]
        assert [model["display_name"] for model in seen["models"]["data"]] == ["zai/GLM"]
        assert seen["settings"]["env"]["ANTHROPIC_API_KEY"] == ""
        assert seen["settings"]["env"]["ANTHROPIC_MODEL"] == "zai/GLM@claude-bridge"
        assert seen["settings"]["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "90000"
        assert seen["settings"]["permissions"] == {"defaultMode": "acceptEdits", "disableAutoMode": "disable"}
        (row,) = seen["settings"]["modelPicker"]["options"]
        assert row == {"model": "zai/GLM@claude-bridge", "label": "zai/GLM", "description": "90K tokens"}
        assert Path(seen["path"]).is_relative_to(user.environ["XDG_RUNTIME_DIR"])
        assert stat.S_IMODE(seen["mode"]) == 0o600
        assert user.tree() == before
        assert (user.runtime_files(), bridges(user)) == ([], [])

    def test_key(self, user: User) -> None:
        """Its key comes out of the environment, and is neither in a command line nor in the client's settings."""
        user.more["BACKEND_API_KEY"] = "sk-backend-1234"
        with serving(ONE, key="sk-backend-1234") as url:
            assert user.launch("--url", f"{url}/v1").returncode == 7
        assert "sk-backend-1234" not in json.dumps(user.seen["settings"])
        assert len(user.seen["settings"]["env"]["ANTHROPIC_AUTH_TOKEN"]) > 40

    def test_control_socket(self, user: User) -> None:
        """The bridge's control socket is apart: commands for the user's own bridge do not find it."""
        with serving(ONE) as url, subprocess.Popen(user.command("--url", url, "--", "sleep"), env=user.environ) as run:
            assert eventually((user.folder / "seen.json").exists)
            assert Path(user.seen["path"]).with_name("control.sock").is_socket()
            with pytest.raises(running_bridge.NoBridge, match="no running bridge found"):
                running_bridge.find(user.environ, "/nope")
            run.terminate()
        assert (user.runtime_files(), bridges(user)) == ([], [])

    @pytest.mark.parametrize(
        ("key", "told"),
        [("", "asks for a key: set BACKEND_API_KEY"), ("wrong", "not accept the key in BACKEND_API_KEY")],
    )
    def test_no_key(self, user: User, key: str, told: str) -> None:
        """Without the key, and with nobody to ask, the variable is named; a wrong one is not shown."""
        user.more["BACKEND_API_KEY"] = key
        with serving(ONE, key="sk-1") as url:
            done = user.launch("--url", url)
        assert done.returncode == 1
        assert told in done.stderr
        assert "wrong" not in done.stderr

    def test_model(self, user: User) -> None:
        """Of several models one has to be named; one that is not there gets the nearest names."""
        with serving(BACKEND) as url:
            done = user.launch("--url", url, "--", "-p", "Hello, you")
            told = f"several models, a, b: name one, as in `claude-bridge launch a --url {url} -- -p 'Hello, you'`\n"
            assert (done.returncode, told in done.stderr) == (1, True)
            done = user.launch("x", "--url", url)
            assert (done.returncode, "has no model x; it has a, b" in done.stderr) == (1, True)
            assert user.launch("B@claude-bridge", "--url", url).returncode == 7
            told = f"lists no models (GET {url}/x/models answered 404, is its URL right?): name one, "
            told += f"`claude-bridge launch MODEL --url {url}/x`\n"
            assert told in user.launch("--url", f"{url}/x").stderr
        assert user.seen["settings"]["env"]["ANTHROPIC_MODEL"] == "b@claude-bridge"
        assert [row["model"] for row in user.seen["settings"]["modelPicker"]["options"]] == [
            "b@claude-bridge",
            "a@claude-bridge",
        ]

    def test_small_window(self, user: User) -> None:
        """A window that Claude Code's own instructions fill is warned of; the client is started all the same."""
        with serving({**ONE, "/v1/models": {"data": [{"id": "m", "max_model_len": 8192}]}}) as url:
            done = user.launch("--url", url)
        assert done.returncode == 7
        assert "m has a window of 8,192 tokens" in done.stderr

    def test_unknown_window(self, user: User) -> None:
        """A window that nobody tells is warned of, unless the user says it."""
        with serving(BRIDGE) as url:
            assert user.launch("--url", url).stderr == (
                "claude-bridge launch: the window of glm is not known, and Claude Code assumes 1,000,000 tokens: set "
                "CLAUDE_CODE_MAX_CONTEXT_TOKENS to it here, or `context_window` in [model:glm] of the bridge's "
                "configuration\n"
            )
            own = '{"env": {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "50000"}}'
            assert user.launch("--url", url, "--", "--settings", own).stderr == ""
            assert user.seen["settings"]["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "50000"
        with serving(BACKEND) as url:
            assert user.launch("a", "--url", url).stderr.endswith(": set CLAUDE_CODE_MAX_CONTEXT_TOKENS to it\n")
        with serving(BRIDGE) as url:
            user.more["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] = "50000"
            assert user.launch("--url", url).stderr == ""

    def test_by_variables(self, user: User) -> None:
        """The variables of a container are enough."""
        with serving(BACKEND) as url:
            user.more.update(BACKEND_URL=f"{url}/v1", MODEL="b", HOST_PORT="9")
            assert user.launch().returncode == 7
        assert user.seen["settings"]["env"]["ANTHROPIC_MODEL"] == "b@claude-bridge"

    def test_without_runtime_directory(self, user: User) -> None:
        """The settings are in a folder of their own then, which nobody else can open and which goes too."""
        user.more["XDG_RUNTIME_DIR"] = ""
        with serving(ONE) as url:
            assert user.launch("--url", url).returncode == 7
        assert Path(user.seen["path"]).is_relative_to(user.environ["TMPDIR"])
        assert list(Path(user.environ["TMPDIR"]).iterdir()) == []


class BridgeTests:
    """A bridge that runs."""

    def test_by_url(self, user: User) -> None:
        """It is used as it is."""
        with serving(BRIDGE) as url:
            assert user.launch("--url", f"{url}/v1/").returncode == 7
        env = user.seen["settings"]["env"]
        assert (env["ANTHROPIC_BASE_URL"], env["ANTHROPIC_AUTH_TOKEN"]) == (url, "unused")
        assert env["ANTHROPIC_MODEL"] == "glm@claude-bridge"

    def test_key(self, user: User) -> None:
        """One that answers 401 gets the token of the environment; Anthropic's own keys stay here."""
        with serving(BRIDGE, key="client-key") as url:
            done = user.launch("--url", url)
            assert (done.returncode, "asks for a key: set ANTHROPIC_AUTH_TOKEN" in done.stderr) == (1, True)
            user.more["ANTHROPIC_AUTH_TOKEN"] = "sk-ant-mine"
            assert "asks for a key" in user.launch("--url", url).stderr
            user.more["ANTHROPIC_AUTH_TOKEN"] = "client-key"
            assert user.launch("--url", url).returncode == 7
        assert user.seen["settings"]["env"]["ANTHROPIC_AUTH_TOKEN"] == "client-key"

    def test_of_the_configuration(self, user: User) -> None:
        """The bridge of the configuration is found by its listener, although its keys are out of reach."""
        with serving(BRIDGE) as url:
            file = user.folder / "c.ini"
            listen = f"[server]\nlisten = tcp:{url.rpartition(':')[2]}:interface=127.0.0.1\n"
            backend = "[backend:b]\nurl = http://backend.invalid/v1\napi_key = credential:none\n"
            file.write_text(f"{listen}{backend}[model:glm]\nlabel = GLM\n")
            assert user.launch("--config", str(file)).returncode == 7
        assert user.seen["settings"]["env"]["ANTHROPIC_BASE_URL"] == url
        assert user.seen["settings"]["modelPicker"]["options"][0]["label"] == "GLM"

    def test_backend_is_down(self, user: User) -> None:
        """If the only backend of a bridge that runs is down Claude Code would be silent, and is not started."""
        with serving(BRIDGE) as url:
            file = user.folder / "c.ini"
            listen = f"[server]\nlisten = tcp:{url.rpartition(':')[2]}:interface=127.0.0.1\n"
            file.write_text(f"{listen}[backend:b]\nurl = http://127.0.0.1:9/v1\n[model:glm]\ncontext_window = 131072\n")
            done = user.launch("--config", str(file))
            assert done.returncode == 1
            assert done.stderr == (
                "claude-bridge launch: backend b: down: connection refused at 127.0.0.1:9: start the server, or "
                "correct `url` in [backend:b]\n"
                "claude-bridge launch: no other backend has the model, so Claude Code is not started; `claude-bridge "
                f"doctor --config {file}` says more\n"
            )
            assert not (user.folder / "seen.json").exists()

    def test_one_of_two_backends_is_down(self, user: User) -> None:
        """If another may answer, also one elsewhere of which nobody knows, it is started, and the line is there."""
        with serving(BRIDGE) as url:
            file = user.folder / "c.ini"
            listen = f"[server]\nlisten = tcp:{url.rpartition(':')[2]}:interface=127.0.0.1\n"
            models = "[model:glm]\nbackend = b\ncontext_window = 131072\n[route:default]\nmodels = glm, c/m\n"
            backends = "[backend:b]\nurl = http://127.0.0.1:9/v1\n[backend:c]\nurl = http://backend.invalid/v1\n"
            file.write_text(f"{listen}{backends}{models}")
            done = user.launch("--config", str(file))
        assert done.returncode == 7
        assert "claude-bridge launch: backend b: down: connection refused at 127.0.0.1:9: start" in done.stderr
        assert "backend c" not in done.stderr

    def test_nothing_to_start(self, user: User) -> None:
        """Where there is neither bridge nor file nor address, the command that helps is named."""
        user.more["HOST_PORT"] = "9"
        done = user.launch()
        assert done.returncode == 1
        assert "no bridge answers at http://127.0.0.1:9" in done.stderr
        assert "claude-bridge launch --url http://127.0.0.1:8000/v1" in done.stderr

    def test_nobody_at_the_url(self, user: User) -> None:
        """An address where nothing answers is a failure in words."""
        done = user.launch("--url", "http://127.0.0.1:9/v1")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("claude-bridge launch: nothing answers at http://127.0.0.1:9: ")


CONFIGURED = """
[server]
listen = tcp:9:interface=127.0.0.1
state_dir = {state}
[backend:b]
url = {url}/v1
[model:glm]
name = zai/GLM
[model:small]
[route:default]
models = glm
"""


ROUTE = "[route:r]\nmatch = other\nmodels = other, glm"


class ConfigurationTests:
    """A configuration that no bridge runs with."""

    def test_own_bridge(self, user: User) -> None:
        """A bridge with it is started at another port, which keeps nothing; the backend's window is known."""
        with serving(ONE) as url:
            file = user.folder / "HOME" / ".config" / "claude-bridge" / "claude-bridge.ini"
            file.parent.mkdir(parents=True)
            file.write_text(CONFIGURED.format(url=url, state=user.folder / "HOME" / "state"))
            before = user.tree()
            done = user.launch()
            assert (done.returncode, done.stderr) == (7, "")
            assert user.seen["settings"]["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "90000"
            assert user.seen["settings"]["modelPicker"]["options"][0]["description"] == "zai/GLM on b, 90K tokens"
            assert user.launch("small").returncode == 7
        assert user.seen["settings"]["env"]["ANTHROPIC_MODEL"] == "small@claude-bridge"
        assert (user.tree(), bridges(user), user.runtime_files()) == (before, [], [])

    def test_backend_is_down(self, user: User) -> None:
        """If no backend of the model answers that is said at once, with the next step, and nothing is started."""
        file = user.folder / "c.ini"
        file.write_text(CONFIGURED.format(url="http://127.0.0.1:9", state="none"))
        done = user.launch("--config", str(file))
        assert done.returncode == 1
        assert done.stderr == (
            "claude-bridge launch: backend b: down: connection refused at 127.0.0.1:9: start the server, or correct "
            "`url` in [backend:b]\n"
            "claude-bridge launch: no other backend has the model, so Claude Code is not started; `claude-bridge "
            f"doctor --config {file}` says more\n"
        )
        assert not (user.folder / "seen.json").exists()
        assert (user.runtime_files(), bridges(user)) == ([], [])

    def test_one_of_two_backends_is_down(self, user: User) -> None:
        """If another is left the client is started, and the one that is down is told."""
        file = user.folder / "c.ini"
        with serving(ONE) as url:
            text = CONFIGURED.format(url=url, state="none").replace("[route:default]\nmodels = glm", ROUTE)
            text = text.replace("[model:glm]", "[model:glm]\nbackend = b").replace("[model:small]", "")
            file.write_text(f"{text}[model:other]\nbackend = c\n[backend:c]\nurl = http://127.0.0.1:9/v1\n")
            done = user.launch("other", "--config", str(file))
        assert done.returncode == 7
        assert "backend c: down: connection refused at 127.0.0.1:9" in done.stderr
        assert "backend b" not in done.stderr

    def test_unknown_window(self, user: User) -> None:
        """A window that nobody tells is to be set in the section of the model, in the file that has it."""
        file = user.folder / "c.ini"
        with serving(BACKEND) as url:
            file.write_text(CONFIGURED.format(url=url, state="none"))
            told = f"tokens: set `context_window` in [model:glm] of {file}\n"
            assert told in user.launch("--config", str(file)).stderr
            told = f"tokens: add a section [model:NAME] with `backend = b`, `name = a` and `context_window` to {file}\n"
            assert told in user.launch("b/a", "--config", str(file)).stderr

    def test_backend_that_wants_the_clients_key(self, user: User) -> None:
        """Where nothing but a backend is configured, its models are listed with the key that the client passes on."""
        file = user.folder / "c.ini"
        user.more["BACKEND_API_KEY"] = "sk-backend-1234"
        with serving(ONE, key="sk-backend-1234") as url:
            file.write_text(f"[server]\nlisten = tcp:9:interface=127.0.0.1\n[backend:b]\nurl = {url}/v1\n")
            assert user.launch("--config", str(file)).returncode == 7
        env = user.seen["settings"]["env"]
        assert (env["ANTHROPIC_MODEL"], env["ANTHROPIC_AUTH_TOKEN"]) == ("zai/GLM@claude-bridge", "sk-backend-1234")

    def test_own_bridge_that_wants_a_key(self, user: User) -> None:
        """The bridge is called by its file, as nobody knows its address."""
        file = user.folder / "c.ini"
        with serving(ONE) as url:
            text = CONFIGURED.format(url=url, state="none").replace("[server]\n", "[server]\ncredentials = keys\n")
            file.write_text(f"{text}[key:me]\nsecret = 0123456789abcdef0\n")
            done = user.launch("--config", str(file))
            assert done.stderr == (
                f"claude-bridge launch: the bridge of {file} asks for a key: set ANTHROPIC_AUTH_TOKEN to it\n"
            )
            user.more["ANTHROPIC_AUTH_TOKEN"] = "0123456789abcdef0"
            assert (
                f"the bridge of {file} has no model glmm; it has glm, small"
                in user.launch("glmm", "--config", str(file)).stderr
            )

    def test_mistakes(self, user: User) -> None:
        """Mistakes are told as by every command."""
        file = user.folder / "c.ini"
        file.write_text("[serve]\n")
        assert user.launch("--config", str(file)).returncode == 78


class SettingsTests:
    """The user's own settings."""

    def test_merged(self, user: User) -> None:
        """What the user gives with --settings stays, but for what the bridge needs."""
        given = {"env": {"A": "1", "ANTHROPIC_BASE_URL": "http://x"}, "permissions": {"allow": ["Bash"]}, "x": [1]}
        file = user.folder / "own.json"
        file.write_text(json.dumps(given))
        with serving(BRIDGE) as url:
            for settings in ([f"--settings={file}"], ["--settings", json.dumps(given)]):
                assert user.launch("--url", url, "--", "-p", *settings, "--", "--settings").returncode == 7
                seen = user.seen
                assert seen["arguments"][2:] == ["-p", "--", "--settings"]
                assert (seen["settings"]["env"]["A"], seen["settings"]["env"]["ANTHROPIC_BASE_URL"]) == ("1", url)
                assert seen["settings"]["permissions"] == {
                    "allow": ["Bash"],
                    "defaultMode": "acceptEdits",
                    "disableAutoMode": "disable",
                }
                assert seen["settings"]["x"] == [1]
        assert file.read_text() == json.dumps(given)

    def test_own_permission_mode(self, user: User) -> None:
        """The mode that the user's settings have stays, but for auto mode, which no bridge can serve."""
        path = user.folder / "project" / ".claude" / "settings.json"
        path.parent.mkdir()
        with serving(BRIDGE) as url:
            path.write_text('{"permissions": {"defaultMode": "plan"}}')
            assert "auto mode" not in user.launch("--url", url).stderr
            assert user.seen["settings"]["permissions"] == {"disableAutoMode": "disable"}
            path.write_text('{"permissions": {"defaultMode": "auto"}}')
            done = user.launch("--url", url)
        assert user.seen["settings"]["permissions"] == {"defaultMode": "acceptEdits", "disableAutoMode": "disable"}
        assert "your settings choose auto mode" in done.stderr
        assert "so Claude Code starts in the mode acceptEdits" in done.stderr

    def test_status_line(self, user: User) -> None:
        """The client gets our status line, unless the user has one or does not want it; that of `setup` is ours."""
        path = user.folder / "project" / ".claude" / "settings.json"
        path.parent.mkdir()
        own = '{"statusLine": {"type": "command", "command": "mine.sh"}}'
        with serving(BRIDGE) as url:
            assert "status line" not in user.launch("--url", url).stderr
            ours = user.seen["settings"]["statusLine"]
            assert ours["command"].endswith("-P -m claude_bridge.entry statusline")
            user.launch("--url", url, "--no-statusline")
            assert "statusLine" not in user.seen["settings"]
            path.write_text(own)
            assert "your own status line stays" in user.launch("--url", url).stderr
            assert "statusLine" not in user.seen["settings"]
            assert "status line" not in user.launch("--url", url, "--no-statusline").stderr
            path.write_text('{"statusLine": {"type": "command", "command": "/old/claude-bridge statusline"}}')
            assert "status line" not in user.launch("--url", url, "--", "--settings", "{}").stderr
            assert user.seen["settings"]["statusLine"] == ours
            assert "your own status line stays" in user.launch("--url", url, "--", "--settings", own).stderr
            assert user.seen["settings"]["statusLine"]["command"] == "mine.sh"

    def test_no_json(self, user: User) -> None:
        """What is no settings file is a failure in words."""
        for given, told in (("/nope.json", "cannot read /nope.json"), ("{", "not JSON"), ("", "cannot read")):
            assert told in user.launch("--url", "http://127.0.0.1:9", "--", "--settings", given).stderr


class PrintTests:
    """`--print`."""

    def test_backend(self, user: User) -> None:
        """The command and the settings are shown without secrets, and nothing is run or started."""
        user.more["BACKEND_API_KEY"] = "sk-backend-1234"
        with serving(ONE, key="sk-backend-1234") as url:
            done = user.launch("--url", url, "--print", "--", "-p", "a b")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"a bridge in front of {url}/v1 would be started" in done.stdout
        assert "claude --settings FILE -p 'a b'\n" in done.stdout
        assert '"ANTHROPIC_AUTH_TOKEN": "***"' in done.stdout
        assert "sk-backend" not in done.stdout
        assert not (user.folder / "seen.json").exists()

    def test_configuration(self, user: User) -> None:
        """The bridge's command is shown too."""
        file = user.folder / "c.ini"
        file.write_text(CONFIGURED.format(url="http://127.0.0.1:9", state="/nope"))
        done = user.launch("--config", str(file), "--print")
        assert f"--config {file} --listen 127.0.0.1:0 --state-dir none" in done.stdout
        assert '"ANTHROPIC_MODEL": "glm@claude-bridge"' in done.stdout

    def test_token(self, user: User) -> None:
        """The token of a running bridge is hidden, and so are those in the user's own settings."""
        user.more["ANTHROPIC_AUTH_TOKEN"] = "client-key"
        with serving(BRIDGE, key="client-key") as url:
            own = '{"env": {"MY_API_KEY": "sk-9", "MAX_TOKENS": "5"}}'
            shown = user.launch("--url", url, "--print", "--", "--settings", own).stdout
        assert "client-key" not in shown
        assert '"MY_API_KEY": "***"' in shown
        assert '"MAX_TOKENS": "5"' in shown


class PersonTests:
    """Somebody at the terminal."""

    def shown(self, url: str, answers: Person, **environ: str) -> str:
        """Return what would be run."""
        out, err = io.StringIO(), io.StringIO()
        assert launch.run(LaunchOrder(url=url, only_print=True), environ, out, err, answers) == 0, err.getvalue()
        return out.getvalue()

    def test_model(self) -> None:
        """Of several models they choose one."""
        out = Terminal()
        with serving(BACKEND) as url:
            shown = self.shown(url, Person(Terminal("2\n"), out))
        assert '"ANTHROPIC_MODEL": "b@claude-bridge"' in shown
        assert out.getvalue() == "   1  a\n   2  b\nWhich one [1-2]: "

    @pytest.mark.parametrize("answers", [ONE, BRIDGE])
    def test_key(self, answers: Mapping[str, object]) -> None:
        """A key is asked for only where one is needed, and never shown."""
        asked: list[str] = []

        def hidden(question: str) -> str:
            asked.append(question)
            return "sk-typed-1234"

        with serving(answers, key="sk-typed-1234") as url:
            assert "sk-typed" not in self.shown(url, Person(Terminal(), Terminal(), hidden))
            assert len(asked) == 1
            assert url in asked[0]
        with serving(answers) as url:
            self.shown(url, Person(Terminal(), Terminal(), hidden))
        assert len(asked) == 1

    def test_key_to_pass_on(self, tmp_path: Path) -> None:
        """The key for a backend that has none in the configuration is the client's, who passes it on."""
        with serving(BRIDGE) as bridge, serving(ONE, key="sk-typed-1234") as backend:
            file = tmp_path / "c.ini"
            listen = f"[server]\nlisten = tcp:{bridge.rpartition(':')[2]}:interface=127.0.0.1\n"
            file.write_text(f"{listen}[backend:b]\nurl = {backend}/v1\n[model:glm]\n")
            order, err = LaunchOrder(file=str(file), only_print=True), io.StringIO()
            assert launch.run(order, {}, io.StringIO(), err, Person(io.StringIO())) == 1
            assert f"the backend at {backend}/v1 asks for a key: set BACKEND_API_KEY" in err.getvalue()
            out, keyed = io.StringIO(), {"BACKEND_API_KEY": "sk-typed-1234"}
            assert launch.run(order, keyed, out, err, Person(io.StringIO())) == 0
            assert '"ANTHROPIC_AUTH_TOKEN": "***"' in out.getvalue()


class NoProgramTests:
    """Without Claude Code."""

    def test_no_program(self, user: User) -> None:
        """The way to get it is told, with a shell's status for a command that is not there."""
        (user.folder / "bin" / "claude").unlink()
        user.more["PATH"] = str(user.folder / "bin")  # whatever this machine has
        done = user.launch("--url", "http://127.0.0.1:9")
        assert done.returncode == 127
        assert "npm install -g @anthropic-ai/claude-code" in done.stderr


class EndTests:
    """However it ends, no bridge stays."""

    @pytest.fixture
    def running(self, user: User) -> Iterator[subprocess.Popen[bytes]]:
        """Yield a launch whose client runs."""
        with serving(ONE) as url:
            command = user.command("--url", url, "--", "sleep")
            with subprocess.Popen(command, env=user.environ, cwd=user.folder, stdin=subprocess.DEVNULL) as process:
                assert eventually((user.folder / "seen.json").exists)
                assert len(bridges(user)) == 1
                yield process
                process.kill()

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
    def test_signal(self, user: User, running: subprocess.Popen[bytes], number: int, status: int) -> None:
        """A signal is passed on, then the bridge and the file go; kill -9 ends the bridge all the same."""
        running.send_signal(number)
        assert running.wait(30) == status
        assert eventually(lambda: bridges(user) == [])
        if number == signal.SIGKILL:
            os.kill(user.seen["pid"], signal.SIGKILL)
            assert user.seen["path"] in map(str, user.runtime_files())
            with serving(BRIDGE) as url:
                assert user.launch("--url", url).returncode == 7  # the next start removes what that left
        assert user.runtime_files() == []

    def test_killed_client(self, user: User, running: subprocess.Popen[bytes]) -> None:
        """When the client is killed, everything ends."""
        os.kill(user.seen["pid"], signal.SIGKILL)
        assert running.wait(30) == 137
        assert (bridges(user), user.runtime_files()) == ([], [])

    def test_keyboard(self, user: User, running: subprocess.Popen[bytes]) -> None:
        """Ctrl-C is the client's alone."""
        running.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.5)
        assert len(bridges(user)) == 1


class EnvironmentTests:
    """The client's environment."""

    def test_rival(self) -> None:
        """A key of Anthropic's is taken out."""
        assert cleared({"ANTHROPIC_API_KEY": "sk-ant-1", "A": "b"}, "http://127.0.0.1:1") == {"A": "b"}

    @pytest.mark.parametrize(
        ("url", "exempt"), [("http://[::1]:80", "corp,127.0.0.1,localhost,::1"), ("http://bridge.lan", "corp")]
    )
    def test_proxy(self, url: str, exempt: str) -> None:
        """A bridge on this machine is never asked through a proxy."""
        assert cleared({"HTTPS_PROXY": "http://p:1", "no_proxy": "corp"}, url)["no_proxy"] == exempt
