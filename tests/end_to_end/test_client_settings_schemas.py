"""The settings that we print and write are of the types that Claude Code's own package declares for them.

The Agent SDK carries them, made from the settings schema of the client that comes with it; TypeScript compares. VS
Code's extension, which declares its own settings, is in no package registry that tests can reach; its variables are
those of the client.
"""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.daemon import ini
from tests.end_to_end.processes import Ran, run_program
from tests.npm import CLAUDE_AGENT_SDK, TYPESCRIPT, installed, node, npm

pytestmark = [
    pytest.mark.other_clients,
    pytest.mark.skipif(npm() is None, reason="npm is not installed, so the Agent SDK cannot be"),
]

SECTIONS = {
    "model:glm": {
        "name": "zai/GLM", "label": "GLM at home", "context_window": "131072", "max_output_tokens": "16384",
    },
    "model:small": {"name": "small", "context_window": "65536"},
    "route:default": {"models": "glm"},
}  # fmt: skip

TYPES = """
import type { Options, Settings as Open } from "@anthropic-ai/claude-agent-sdk";
type Named<T> = { [K in keyof T as string extends K ? never : K]: Closed<T[K]> };
type Closed<T> = T extends readonly (infer I)[] ? Closed<I>[]
  : T extends object ? (keyof Named<T> extends never ? T : Named<T>) : T;
export type Settings = Closed<Open>;
export type Environment = NonNullable<Options["env"]>;
"""
"""The package's types without "and anything else", so that a member that it does not know is an error."""

CLIENT = """#!/bin/sh
cp "$2" "$HOME/launched.json"
"""
"""Plays Claude Code, which `launch` starts with ``--settings FILE``."""

Bridge = Callable[..., Awaitable[Ran]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home, with a client on the path beside it."""
    client = tmp_path / "bin" / "claude"
    client.parent.mkdir()
    client.write_text(CLIENT)
    client.chmod(0o755)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def bridge(reactor: Any, backend: ScriptedBackend, home: Path) -> Bridge:
    """Return the means to run `claude-bridge` at home, where a configuration is."""
    backend.models = ["zai/GLM", "small"]
    file = home / ".config" / "claude-bridge" / "claude-bridge.ini"
    file.parent.mkdir(parents=True)
    file.write_text(ini(backend.url, SECTIONS).replace("tcp:0:", "tcp:8080:"))
    environ = {
        "HOME": str(home), "PATH": f"{home.parent / 'bin'}:/usr/bin:/bin", "ANTHROPIC_AUTH_TOKEN": "key",
        "BACKEND_API_KEY": "key",
    }  # fmt: skip

    async def run(*arguments: str) -> Ran:
        command = [sys.executable, "-m", "claude_bridge.cli", *arguments]
        ran = await run_program(reactor, command, environment=environ, folder=home)
        assert ran.code == 0, ran.err
        return ran

    return run


async def complaints(reactor: Any, folder: Path, **values: tuple[str, Any]) -> str:
    """Return what TypeScript says of these values, each with the name of the type that it should have."""
    (folder / "node_modules").symlink_to(installed(CLAUDE_AGENT_SDK) / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "types.ts").write_text(TYPES)
    lines = ['import type { Environment, Settings } from "./types.js";']
    lines += [f"export const {name}: {kind} = {json.dumps(value)};" for name, (kind, value) in values.items()]
    (folder / "values.ts").write_text("\n".join(lines))
    packages = installed(TYPESCRIPT)
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    command = [node(packages), str(packages / "node_modules" / ".bin" / "tsc"), *options, "values.ts"]
    ran = await run_program(reactor, command, environment={"PATH": "/usr/local/bin:/usr/bin:/bin"}, folder=folder)
    assert ran.err == ""
    assert (ran.code == 0) == (ran.out == ""), ran.out
    return ran.out


def unknown(names: Iterable[str]) -> set[str]:
    """Return those of some variables whose names are nowhere in the client's program."""
    programs = sorted(installed(CLAUDE_AGENT_SDK).glob("node_modules/@anthropic-ai/claude-agent-sdk-*/claude"))
    with programs[0].open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
        return {name for name in names if program.find(name.encode()) < 0}


class SettingsTests:
    """What each command makes of one configuration."""

    @pytest_twisted.ensureDeferred
    async def test_types(self, reactor: Any, bridge: Bridge, home: Path, tmp_path: Path) -> None:
        """What `env --json` prints, `setup` writes and `launch` passes are settings, and their variables an env."""
        printed = json.loads((await bridge("env", "--json")).out)
        await bridge("setup")
        written = json.loads((home / ".claude" / "settings.json").read_text())
        (home / ".claude" / "settings.json").unlink()  # or launch keeps to the permission mode in it
        await bridge("launch", "glm")
        launched = json.loads((home / "launched.json").read_text())
        assert all("modelPicker" in each and "permissions" in each for each in (printed, launched))
        assert all("statusLine" in each for each in (printed, written, launched))
        assert "permissions" in written
        wrong = await complaints(
            reactor,
            tmp_path,
            printed=("Settings", printed),
            written=("Settings", written),
            launched=("Settings", launched),
            variables=("Environment", printed["env"]),
        )
        assert wrong == ""

    @pytest_twisted.ensureDeferred
    async def test_variables(self, bridge: Bridge, home: Path) -> None:
        """The client knows every variable; VS Code's are the same ones, each with a name and a text."""
        printed = json.loads((await bridge("env", "--json")).out)["env"]
        await bridge("launch", "glm")
        launched = json.loads((home / "launched.json").read_text())["env"]
        extension = json.loads((await bridge("env", "--vscode")).out)
        listed = extension["claudeCode.environmentVariables"]
        assert {each["name"]: each["value"] for each in listed} == printed
        assert all(each.keys() == {"name", "value"} for each in listed)
        assert extension["claudeCode.disableLoginPrompt"] is True
        assert unknown({**printed, **launched}) == set()
        assert unknown(["ANTHROPIC_NO_SUCH_VARIABLE"]) == {"ANTHROPIC_NO_SUCH_VARIABLE"}


class ComparisonTests:
    """Whether TypeScript would notice."""

    @pytest.mark.parametrize(
        "settings",
        [
            {"env": {"ANTHROPIC_MODEL": 1}},
            {"modelPicker": {"replaceBuiltInOptions": "yes", "options": []}},
            {"modelPicker": {"replaceBuiltInOptions": True}},
            {"modelPicker": {"options": [{"model": "glm", "title": "GLM"}]}},
            {"permissions": {"disableAutoMode": True}},
            {"permissions": {"disableAutomode": "disable"}},
            {"permissions": {"defaultMode": "acceptedits"}},
            {"statusLine": {"type": "script", "command": "x"}},
            {"statusLine": {"type": "command", "command": "x", "refresh": 10}},
            {"noSuchMember": {}},
        ],
    )
    @pytest_twisted.ensureDeferred
    async def test_wrong(self, reactor: Any, tmp_path: Path, settings: Any) -> None:
        """A member with another name, a value of another type and a missing one are errors."""
        assert "values.ts(2," in await complaints(reactor, tmp_path, settings=("Settings", settings))
