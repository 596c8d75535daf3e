"""Every command of the README and of the users' pages is run here as it stands there, or by a test that is named here.

Addresses, ports and the system's folders are those of the test; a program plays Claude Code, and another the backend.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import pytest
from attrs import define, field

from claude_bridge.cli.options import parsers
from claude_bridge.config.load import parse

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = (ROOT / "README.md").read_text("utf-8")
BACKENDS, CLIENTS, *OTHERS = (
    (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    for name in (
        "backends", "clients", "configuration", "routing", "service", "troubleshooting", "limits", "benchmark"
    )
)  # fmt: skip
PAGES: Final = (README, BACKENDS, CLIENTS, *OTHERS)

MAX_BYTES: Final = 10_240
"""Of the README: what somebody reads who has not decided yet."""

PROGRAMS: Final = frozenset({"claude-bridge", "twistd", "python", "python3", "pytest", "curl", "npm", "pip", "source"})

FOLDERS: Final = ("/opt/", "/etc/", "/var/lib/")
"""Folders of the system that commands write to."""

MODEL: Final = "zai-org/GLM-4.5-Air"

SECONDS: Final = 30.0
"""Limit for one command: a second or two on an idle machine."""

ELSEWHERE: Final[Mapping[str, str]] = {
    # it installs packages, which takes a minute
    "python3 -m venv .venv && .venv/bin/python -m pip install --quiet . && .venv/bin/claude-bridge demo": (
        ".ci/run: $(readme_command demo)"
    ),
    "python3 -m venv .venv && .venv/bin/python -m pip install --quiet -e '.[test]' && .venv/bin/pytest": (
        ".ci/run: $(readme_command tests)"
    ),
    "sudo python3 -m venv /opt/claude-bridge && sudo /opt/claude-bridge/bin/pip install .": (
        '.ci/run: "$scratch/wheel/bin/python" -m pip install'
    ),
    "sudo /opt/claude-bridge/bin/pip install --upgrade .": '.ci/run: "$scratch/wheel/bin/python" -m pip install',
    "npm install -g @anthropic-ai/claude-code": "tests/end_to_end/test_claude_code_launch.py: test_backend_alone",
    # it needs a systemd that runs
    "sudo systemctl daemon-reload && sudo systemctl enable --now claude-bridge": (
        "tests/test_systemd.py: test_systemd_accepts_it"
    ),
    "journalctl -u claude-bridge -f": "tests/test_systemd.py: test_directives",
    "sudo systemctl reload claude-bridge": "tests/test_systemd.py: test_reload",
    "sudo systemctl edit claude-bridge": "tests/test_systemd.py: test_credentials_are_shown",
    # it takes minutes
    "python -m benchmarks --repeat 5 --streams 2000": (
        "tests/benchmarks/test_main.py: test_a_small_run_measures_the_real_daemon"
    ),
    "python -m tools.option_table --write docs/configuration.md": "tests/tools/test_option_table.py: test_write",
    # commands whose own pages and tests say more
    "claude-bridge import FILE": "docs/coming-from.md: claude-bridge import",
    "claude-bridge key new alice": "docs/keys.md: claude-bridge key new",
    "claude-bridge statusline": "src/claude_bridge/cli/client_commands.py: statusline",
    'sudo "$(command -v claude-bridge)" setup --managed --config FILE': "src/claude_bridge/cli/options.py: --managed",
    'sudo "$(command -v claude-bridge)" undo --managed': "src/claude_bridge/cli/options.py: --managed",
}
"""Commands that another test, or a step of .ci/run, runs or looks at: its file and name, or a part of the step."""

START_LINES: Final = frozenset(
    {
        (
            "vllm serve Qwen/Qwen3-Coder-30B-A3B-Instruct --max-model-len 131072 --enable-auto-tool-choice "
            "--tool-call-parser qwen3_coder"
        ),
        "llama-server -hf unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF --jinja --ctx-size 65536",
        "OLLAMA_CONTEXT_LENGTH=65536 ollama serve",
        "lms load qwen/qwen3-coder-30b --context-length 65536 && lms server start",
    }
)
"""How people start their servers: nothing of ours, and no server that a test could start."""

SERVER_LAUNCHES: Final = (
    "claude-bridge launch --url http://127.0.0.1:8000/v1",
    "claude-bridge launch --url http://127.0.0.1:8080/v1",
    "claude-bridge launch --url http://127.0.0.1:1234/v1",
    "claude-bridge launch qwen3-coder --url http://127.0.0.1:11434/v1",
    "BACKEND_API_KEY=$CHUTES_API_KEY claude-bridge launch zai-org/GLM-4.5-Air --url https://llm.chutes.ai/v1",
)
"""What is typed once one of these servers, or a service, runs."""

CLIENT: Final = """#!{python}
import json, sys, urllib.request
settings = json.load(open(sys.argv[sys.argv.index("--settings") + 1]))
env, word = settings["env"], sys.argv[-1] if "-p" in sys.argv else "nothing"
body = {{"model": env["ANTHROPIC_MODEL"], "max_tokens": 99, "messages": [{{"role": "user", "content": word}}]}}
request = urllib.request.Request(env["ANTHROPIC_BASE_URL"] + "/v1/messages", json.dumps(body).encode())
request.add_header("authorization", "Bearer " + env["ANTHROPIC_AUTH_TOKEN"])
request.add_header("content-type", "application/json")
answer = json.load(urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request, timeout=30))
print(*sys.argv[1:], "was told:", answer["content"][0]["text"], "by", answer["model"])
"""
"""Plays Claude Code: asks the bridge that its settings name."""

AT_A_TERMINAL: Final = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""

TOP_PAGES: Final = (ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")

_Test = TypeVar("_Test", bound=Callable[..., None])


def blocks(language: str, page: str) -> list[str]:
    """Return a page's blocks of code in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def shown(page: str) -> list[str]:
    """Return every command of a page without its comment, in order: lines of blocks, and code within a sentence.

    The table of options is left out: its sentences are those of the schema.
    """
    lines = [line for block in blocks("sh", page) for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```|^<!-- options:begin.*?options:end -->", "", page, flags=re.DOTALL | re.MULTILINE)
    found = [*lines, *(code for code in re.findall(r"`([^`]+)`", prose) if is_command(code))]
    commands = (" ".join(re.sub(r"(^|\s+)# .*", "", each).split()) for each in found)
    return list(dict.fromkeys(filter(None, commands)))


def is_command(code: str) -> bool:
    """Return whether code within a sentence is a whole command rather than a name."""
    words = re.sub(r"^(sudo (env )?)?([A-Z_]+=\S+ )*", "", code).split()
    return len(words) > 1 and (words[0].rsplit("/", 1)[-1] in PROGRAMS or code.startswith("sudo "))


def anchors(page: str) -> set[str]:
    """Return what links to the headings of a page end in."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


COMMANDS: Final = list(dict.fromkeys(command for page in PAGES for command in shown(page)))
RUN: Final[dict[str, str]] = {}
"""The commands that tests of this file run, with the test's name."""


def runs(*commands: str) -> Callable[[_Test], _Test]:
    """Mark a test that runs these commands of the README."""

    def marked(test: _Test) -> _Test:
        RUN.update(dict.fromkeys(commands, test.__name__))
        test.__dict__["commands"] = commands
        return test

    return marked


@define(eq=False)
class Reader:
    """Somebody who types the README's commands, in a home and on a system of their own.

    :ivar folder: where both are.
    :ivar backend: URL of a backend, without ``/v1``.
    :ivar port: a free one.
    :ivar typed: the commands so far.
    """

    folder: Path
    backend: str
    port: int
    typed: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Make what a new user of a machine has, and the programs that play others."""
        for name in ("home", "run", "bin", "opt", "etc/claude-bridge", "etc/systemd/system", "var/lib/claude-bridge"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "opt" / "claude-bridge").symlink_to(sys.prefix)
        self._program("claude", CLIENT.format(python=sys.executable))
        self._program("sudo", '#!/bin/sh\nexec "$@"\n')
        self._program("sudoedit", '#!/bin/sh\ntest -w "$1" && cp "$HOME/edited.ini" "$1"\n')

    def _program(self, name: str, content: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(content)
        path.chmod(0o755)

    @property
    def home(self) -> Path:
        """Return the home."""
        return self.folder / "home"

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment: `claude-bridge` is on the path, as in an activated environment."""
        return {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "PATH": f"{self.folder / 'bin'}:{Path(sys.prefix) / 'bin'}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "BACKEND_API_KEY": "your-key",
            "CHUTES_API_KEY": "your-key",
            "OPENROUTER_API_KEY": "your-key",
        }

    def configure(self, *parts: str) -> Path:
        """Write the user's configuration file from blocks of the README, and return its path."""
        text = f"[server]\nlisten = tcp:{self.port}:interface=127.0.0.1\n\n" + "\n".join(parts)
        text = re.sub(r"https?://[^\s]+/v1$", f"{self.backend}/v1", text, flags=re.MULTILINE)
        path = self.home / ".config" / "claude-bridge" / "claude-bridge.ini"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def line(self, command: str, **instead: object) -> str:
        """Return a command of the README as it is typed here; ``instead`` has what words in capitals stand for."""
        assert command in COMMANDS, f"the README does not show {command}"
        self.typed.append(command)
        words = {"http://gpu:8000": self.backend, "http://127.0.0.1:8000": self.backend, "8080": self.port, **instead}
        words |= {f" {name}": f" {self.folder}{name}" for name in FOLDERS}
        words |= {f"={name}": f"={self.folder}{name}" for name in FOLDERS}
        for word, value in words.items():
            command = command.replace(word, str(value))
        return command

    def run(self, command: str, **instead: object) -> str:
        """Type a command, and return what it prints; it must end well."""
        return self.type(self.line(command, **instead))

    def type(self, line: str, environ: Mapping[str, str] | None = None, typed: str | None = None) -> str:
        """Type any line, in the folder of the clone; ``typed`` is what is entered at the terminal afterwards."""
        shell = ["bash", "-euc", line]
        ran = subprocess.run(
            shell if typed is None else [sys.executable, "-c", AT_A_TERMINAL, *shell],
            env={**self.environ, **(environ or {})}, cwd=ROOT, input=typed or "", capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{line}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    @contextmanager
    def started(self, line: str, ready: str = "listening") -> Iterator[subprocess.Popen[str]]:
        """Type a command that goes on until it is stopped, and wait until its output has this word."""
        log = self.folder / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-euc", line],
                env=self.environ, cwd=ROOT, stdout=file, stderr=file, text=True, start_new_session=True,
            )  # fmt: skip
        limit = time.monotonic() + SECONDS
        try:
            while ready not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < limit, log.read_text()
                time.sleep(0.05)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # a shell in the background ignores Ctrl-C
            process.wait(SECONDS)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of the scripted backend."""
    folder = tmp_path_factory.mktemp("backend")
    reader = Reader(folder, "", 0)
    with reader.started(f"python -m claude_bridge.testing.backend --port 0 --models {MODEL}", "listening on "):
        (url,) = re.findall(r"http://\S+?:\d+", (folder / "log").read_text())
        yield url


@pytest.fixture
def reader(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Reader]:
    """Yield a reader, who must have typed what the test is marked with."""
    someone = Reader(tmp_path, backend, free_port())
    yield someone
    assert set(someone.typed) == set(getattr(request.function, "commands", ()))


def one_model() -> str:
    """Return the first configuration that is shown: one backend, one model."""
    return blocks("ini", BACKENDS)[0]


def several_models() -> str:
    """Return the second one, which stands beside the first, less the route that it replaces."""
    return one_model().partition("[route:default]")[0] + blocks("ini", BACKENDS)[1]


def with_anthropic() -> str:
    """Return a configuration with Anthropic as the second choice."""
    return one_model().partition("[route:default]")[0] + blocks("ini", BACKENDS)[2]


class EveryCommandTests:
    """What the README shows, against what is run."""

    def test_all_are_run(self) -> None:
        """Every command is run here or elsewhere, and none of these is a command that the README no longer has."""
        assert set(COMMANDS) == {*RUN, *SERVER_LAUNCHES, *ELSEWHERE, *START_LINES}

    @pytest.mark.parametrize("command", ELSEWHERE)
    def test_elsewhere(self, command: str) -> None:
        """The test, or the step of .ci/run, that is named for a command exists."""
        name, _, what = ELSEWHERE[command].partition(": ")
        text = (ROOT / name).read_text("utf-8")
        if what.isidentifier():
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            assert what in {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, functions)}
        else:
            assert what in text

    def test_options(self) -> None:
        """Every option on the page about clients is ours, in sentences and comments too, but for the client's own."""
        known = {option for command in parsers()[1].values() for option in command._option_string_actions}
        named = set(re.findall(r"--[a-z][a-z-]*", CLIENTS))
        assert {"--print", "--project", "--vscode"} <= named <= known | {"--resume"}

    def test_none_is_missed(self) -> None:
        """A name is no command; one that is broken over two lines is; comments are no part of one."""
        assert {"claude-bridge check-config --online", "claude-bridge setup --dry-run"} <= set(COMMANDS)
        assert [each for each in COMMANDS if each in PROGRAMS or "#" in each] == []
        assert not is_command("claude-bridge, host.docker.internal")
        assert is_command("sudo env A=b /opt/claude-bridge/bin/claude-bridge check-config")


class ReadmeTests:
    """What somebody sees who has not decided yet."""

    def test_short(self) -> None:
        """It is read in a few minutes."""
        assert len(README.encode()) <= MAX_BYTES

    def test_badges(self) -> None:
        """The badges say what holds for the package."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        python, licence = re.findall(r"!\[([^\]]+)\]\(https://img\.shields\.io/badge/", README)
        assert project["requires-python"] == f">={python.removeprefix('Python ').removesuffix(' or later')}"
        assert project["license"] == licence.removeprefix("Licence: ")

    @pytest.mark.parametrize(
        "page", [ROOT / "README.md", *TOP_PAGES, *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name
    )
    def test_links(self, page: Path) -> None:
        """Every link to another file leads to one, and to a heading that it has."""
        text = re.sub(r"^```.*?^```|`[^`\n]+`", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, heading = target.partition("#")
            if "://" in target:
                continue
            file = page.parent / name if name else page
            assert file.is_file(), target
            assert not heading or heading in anchors(file.read_text("utf-8")), target

    def test_index(self) -> None:
        """The index names every page."""
        linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "README.md").read_text("utf-8")))
        assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked


class ConfigurationTests:
    """The blocks of INI that are configurations."""

    @pytest.mark.parametrize(
        "text",
        [one_model(), several_models(), with_anthropic(), one_model() + blocks("ini", BACKENDS)[3]],
        ids=["one", "several", "anthropic", "search"],
    )
    def test_valid(self, text: str) -> None:
        """Each is valid as it stands."""
        keys = {
            "CHUTES_API_KEY": "key-of-chutes", "OPENROUTER_API_KEY": "key-of-openrouter", "SEARCH_KEY": "key",
            "ANTHROPIC_API_KEY": "key-of-anthropic",
        }  # fmt: skip
        assert parse(text, keys, lambda path: path.encode()).warnings == ()


ASK = (
    "curl http://127.0.0.1:8080/v1/messages -H 'x-api-key: your-key' -H 'content-type: application/json' "
    '-d \'{"model": "your-model", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}\''
)
PLAIN = "BACKEND_URL=http://127.0.0.1:8000/v1/chat/completions HOST_PORT=8080 claude-bridge run"
STATUS = "curl --unix-socket PATH http://bridge/status"
RESET = "curl --unix-socket PATH -X POST http://bridge/breaker/NAME/reset"
FIRST_FILE = (
    "[ -e /etc/claude-bridge/claude-bridge.ini ] || "
    "sudo install -D -m 644 etc/claude-bridge.ini /etc/claude-bridge/claude-bridge.ini"
)
CHECK = "sudo env CREDENTIALS_DIRECTORY=/etc/claude-bridge /opt/claude-bridge/bin/claude-bridge check-config"
DUMP = (
    "sudo env STATE_DIRECTORY=/var/lib/claude-bridge CREDENTIALS_DIRECTORY=/etc/claude-bridge "
    "/opt/claude-bridge/bin/claude-bridge dump-config"
)


NEEDS_VENV = pytest.mark.skipif(not Path(sys.prefix, "bin", "activate").exists(), reason="needs to run in a venv")
NEEDS_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


class FirstHourTests:
    """From nothing to Claude Code, and back."""

    @NEEDS_VENV
    @runs("source .venv/bin/activate", "claude-bridge init", "claude-bridge launch")
    def test_init(self, reader: Reader) -> None:
        """At a terminal `init` asks, writes the file and tests the backend; `launch` starts Claude Code with it."""
        (folder := reader.folder / ".venv").symlink_to(sys.prefix)
        script = [
            reader.line("source .venv/bin/activate").replace(".venv", str(folder)),
            reader.line("claude-bridge init"),
            f"export HOST_PORT={reader.port}",  # the usual port may be somebody's on this machine
            reader.line("claude-bridge launch"),
        ]
        told = reader.type("\n".join(script), typed=f"{reader.backend}\n")
        file = reader.home / ".config" / "claude-bridge" / "claude-bridge.ini"
        assert file.stat().st_mode & 0o777 == 0o600
        assert f"name = {MODEL}" in file.read_text()
        assert "You said: nothing by glm-4.5-air" in told

    @NEEDS_CURL
    @runs(PLAIN, ASK, "curl URL/models")
    def test_variables(self, reader: Reader) -> None:
        """A bridge that is started with variables alone answers."""
        with reader.started(reader.line(PLAIN)):
            answer = json.loads(reader.run(ASK))
        assert (answer["type"], answer["content"][0]["text"]) == ("message", "You said: Hello")
        assert MODEL in reader.run("curl URL/models", URL=f"{reader.backend}/v1")

    @pytest.mark.parametrize("command", SERVER_LAUNCHES)
    def test_servers(self, reader: Reader, command: str) -> None:
        """Behind each kind of server's address, Claude Code is answered by its model, without any file."""
        assert command in COMMANDS
        line = re.sub(r"https?://\S+", f"{reader.backend}/v1", command).replace("qwen3-coder", MODEL)
        assert f"You said: nothing by {MODEL}" in reader.type(line)
        assert not (reader.home / ".config").exists()

    @runs(
        "claude-bridge launch --url http://gpu:8000/v1",
        "claude-bridge launch glm",
        'claude-bridge launch glm -- -p "Hello"',
        "claude-bridge launch -- --resume ID",
    )
    def test_launch(self, reader: Reader) -> None:
        """Claude Code is started at a backend, and at the bridge of the configuration; its arguments are passed on."""
        assert "You said: nothing by" in reader.run("claude-bridge launch --url http://gpu:8000/v1")
        reader.configure(one_model())
        assert "You said: nothing by glm" in reader.run("claude-bridge launch glm")
        assert "You said: Hello by glm" in reader.run('claude-bridge launch glm -- -p "Hello"')
        assert "--resume 1234" in reader.run("claude-bridge launch -- --resume ID", ID=1234)

    @runs("claude-bridge usage week", "claude-bridge usage prices")
    def test_usage(self, reader: Reader) -> None:
        """A running bridge's requests are shown, the sessions among them, and what is known of prices."""
        reader.configure(one_model())
        database = reader.home / ".local" / "state" / "claude-bridge" / "ledger.sqlite"
        with reader.started(f"claude-bridge run --listen {reader.port}"):
            body = {"model": "glm", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
            headers = {"x-api-key": "k", "x-claude-code-session-id": "s-1", "content-type": "application/json"}
            asked = urllib.request.Request(
                f"http://127.0.0.1:{reader.port}/v1/messages", json.dumps(body).encode(), headers
            )
            with urllib.request.urlopen(asked, timeout=SECONDS):  # noqa: S310 - at this machine
                pass
        assert database.exists()
        assert "glm" in reader.run("claude-bridge usage week").lower()
        assert "s-1" in reader.type("claude-bridge usage session s-1")
        assert "glm" in reader.run("claude-bridge usage prices")

    @runs("claude-bridge setup --dry-run", "claude-bridge setup", "claude-bridge undo")
    def test_setup(self, reader: Reader) -> None:
        """The preview changes nothing, `setup` writes the bridge's address, and `undo` puts every byte back."""
        reader.configure(one_model())
        settings, before = reader.home / ".claude" / "settings.json", '{ "model":"opus" }'
        settings.parent.mkdir()
        settings.write_text(before)
        assert f"http://127.0.0.1:{reader.port}" in reader.run("claude-bridge setup --dry-run")
        assert settings.read_text() == before
        reader.run("claude-bridge setup")
        assert json.loads(settings.read_text())["env"]["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{reader.port}"
        reader.run("claude-bridge undo")
        assert settings.read_text() == before

    @runs("claude-bridge env", "claude-bridge env --json", "claude-bridge env --vscode", "claude-bridge env --aliases")
    def test_env(self, reader: Reader) -> None:
        """Each of the forms that the README names has the bridge's address, or the command that starts with a model."""
        reader.configure(one_model())
        address = f"http://127.0.0.1:{reader.port}"
        assert f"export ANTHROPIC_BASE_URL={address}" in reader.run("claude-bridge env")
        assert json.loads(reader.run("claude-bridge env --json"))["env"]["ANTHROPIC_BASE_URL"] == address
        listed = json.loads(reader.run("claude-bridge env --vscode"))["claudeCode.environmentVariables"]
        assert {"name": "ANTHROPIC_BASE_URL", "value": address} in listed
        assert "claude-glm() { claude-bridge launch glm" in reader.run("claude-bridge env --aliases")

    @runs("claude-bridge doctor", "claude-bridge doctor --url http://gpu:8000/v1", "claude-bridge doctor --url URL")
    def test_doctor(self, reader: Reader) -> None:
        """The backend is examined, in the configuration or outside it, and nothing is broken."""
        reader.configure(one_model())
        for command in ("claude-bridge doctor", "claude-bridge doctor --url http://gpu:8000/v1"):
            assert MODEL in reader.type(f"{reader.line(command)} || [ $? = 1 ]")
        named = reader.line("claude-bridge doctor --url URL", URL=f"{reader.backend}/v1")
        assert MODEL in reader.type(f"{named} || [ $? = 1 ]")


class ConfiguredTests:
    """What the README says about a configuration and the bridge that runs with it."""

    @runs(
        "claude-bridge check-config",
        "claude-bridge check-config FILE",
        "claude-bridge check-config --online",
        "claude-bridge dump-config",
        "claude-bridge dump-config --config FILE",
        "twistd claude-bridge --check-config",
    )
    def test_looked_at(self, reader: Reader) -> None:
        """The file is checked and shown, found by itself or named."""
        file = reader.configure(one_model())
        assert reader.run("claude-bridge check-config") == f"{file}: valid\n"
        assert reader.run("claude-bridge check-config FILE", FILE=file) == f"{file}: valid\n"
        assert "backend chutes: up" in reader.run("claude-bridge check-config --online")
        dumped = reader.run("claude-bridge dump-config")
        assert f"name = {MODEL}" in dumped
        assert reader.run("claude-bridge dump-config --config FILE", FILE=file) == dumped
        assert f"{file}: valid" in reader.run("twistd claude-bridge --check-config")

    @runs("claude-bridge routes", "claude-bridge routes explain request.json")
    def test_routes(self, reader: Reader) -> None:
        """The routes of the second example are printed, and which of them a request takes."""
        reader.configure(several_models())
        assert re.search(r"^small +background", reader.run("claude-bridge routes"), re.MULTILINE)
        request = reader.folder / "request.json"
        request.write_text(
            json.dumps({"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]})
        )
        assert "Models of route default" in reader.run(
            "claude-bridge routes explain request.json", **{"request.json": request}
        )

    @runs("python -m claude_bridge.testing.searxng --port 8888")
    def test_search(self, reader: Reader) -> None:
        """The stand-in for a search engine listens."""
        port = free_port()
        line = reader.line("python -m claude_bridge.testing.searxng --port 8888").replace("8888", str(port))
        with (
            reader.started(line, "listening on "),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/search?q=x&format=json") as answer,
        ):
            assert json.load(answer)["results"]

    @NEEDS_CURL
    @runs("claude-bridge run", "claude-bridge reload", STATUS, RESET)
    def test_running(self, reader: Reader) -> None:
        """A running bridge reads its file again, and tells and does what its control socket is asked."""
        file = reader.configure(one_model())
        path = reader.folder / "run" / "claude-bridge" / "control.sock"
        with reader.started(reader.line("claude-bridge run")):
            file.write_text(file.read_text().replace("131072", "65536"))
            assert "glm" in reader.run("claude-bridge reload")
            assert json.loads(reader.run(STATUS, PATH=path))["configuration"]["source"] == str(file)
            reader.run(RESET, PATH=path, NAME="chutes")

    @runs(
        "sudo install -m 644 systemd/claude-bridge.service /etc/systemd/system/",
        FIRST_FILE,
        "sudoedit /etc/claude-bridge/claude-bridge.ini",
        CHECK,
        DUMP,
    )
    def test_service(self, reader: Reader) -> None:
        """The service's files are put where its commands find them; an INI file that is there already stays."""
        reader.configure(one_model()).rename(reader.home / "edited.ini")
        reader.run("sudo install -m 644 systemd/claude-bridge.service /etc/systemd/system/")
        assert (reader.folder / "etc" / "systemd" / "system" / "claude-bridge.service").exists()
        reader.run(FIRST_FILE)
        reader.run("sudoedit /etc/claude-bridge/claude-bridge.ini")
        file = reader.folder / "etc" / "claude-bridge" / "claude-bridge.ini"
        assert f"{file}: valid" in reader.type(reader.line(CHECK), {"XDG_CONFIG_HOME": f"{reader.folder}/etc"})
        dumped = reader.type(reader.line(DUMP), {"XDG_CONFIG_HOME": f"{reader.folder}/etc"})
        assert f"state_dir is not set: {reader.folder}/var/lib/claude-bridge here" in dumped
        reader.run(FIRST_FILE)
        assert MODEL in file.read_text()
