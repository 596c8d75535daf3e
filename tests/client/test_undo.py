"""Promises of `claude-bridge undo`: what was there comes back byte for byte, and what is somebody else's stays."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from claude_bridge.client.settings_draft import SetupError
from claude_bridge.client.undo import undo
from tests.client.settings_samples import HOOKS, ROUTER, SAMPLES, json_texts
from tests.client.setups import URL, Home, nobody, setting

read = json.JSONDecoder().decode
ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a user with a project."""
    home = Home(tmp_path)
    home.project.mkdir()
    return home


class RoundTripTests:
    """Set up, and back."""

    @pytest.mark.parametrize("project", [False, True])
    @pytest.mark.parametrize("name", SAMPLES)
    def test_samples(self, name: str, project: bool, home: Home) -> None:
        """Files as people have them are afterwards what they were, and nothing else is left."""
        path = home.place(project=project).settings
        path.parent.mkdir()
        path.write_bytes(SAMPLES[name])
        before = home.tree()
        assert home.setup(project=project).apply(nobody)
        assert read(path.read_text("utf-8-sig"))["env"]["ANTHROPIC_BASE_URL"] == URL
        undone = undo(home.place(project=project))
        assert home.tree() == before
        assert undone.had_receipt
        assert not undone.left

    @settings(max_examples=100)
    @given(content=json_texts())
    def test_any(self, content: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        """So are any others, after two different set-ups too."""
        home = Home(tmp_path_factory.mktemp("home"))
        path = home.has(content)
        home.setup().apply(nobody)
        home.setup(setting("NEW", "1"), setting("ANTHROPIC_BASE_URL", "http://other")).apply(nobody)
        undo(home.place())
        assert path.read_bytes() == content.encode()

    @pytest.mark.parametrize("project", [False, True])
    def test_no_file(self, project: bool, home: Home) -> None:
        """A file and a folder that were made are removed."""
        before = home.tree()
        home.setup(project=project).apply(nobody)
        place = home.place(project=project)
        assert undo(place).removed == (str(place.settings), str(place.settings.parent))
        assert home.tree() == before

    def test_file_in_use(self, home: Home) -> None:
        """A file that was made stays with what others have written into it since; so does a folder with their files."""
        home.setup().apply(nobody)
        home.settings.write_text(json.dumps({**read(home.settings.read_text()), "theme": "dark"}))
        undo(home.place())
        assert read(home.settings.read_text()) == {"theme": "dark"}
        home.settings.unlink()
        home.setup().apply(nobody)
        (home.settings.parent / "history.jsonl").write_text("")
        assert undo(home.place()).removed == (str(home.settings),)

    def test_written_anew_by_the_client(self, home: Home) -> None:
        """After the client has written the whole file in its own form, the values come back."""
        path = home.has(HOOKS)
        home.setup().apply(nobody)
        path.write_text(json.dumps(read(path.read_text()) | {"theme": "dark"}, indent=4))
        undo(home.place())
        assert read(path.read_text()) == read(HOOKS) | {"theme": "dark"}

    def test_state_directory(self, home: Home) -> None:
        """The receipt goes, and its folder too unless the daemon has files there."""
        home.setup().apply(nobody)
        state = home.place().receipt.parent
        undo(home.place())
        assert not state.exists()
        home.setup().apply(nobody)
        (state / "learned.json").write_text("")
        undo(home.place())
        assert [path.name for path in state.iterdir()] == ["learned.json"]

    def test_twice(self, home: Home) -> None:
        """A second undo has nothing to do, and says so."""
        home.has(ROUTER)
        home.setup().apply(nobody)
        assert undo(home.place()).had_receipt
        before = home.tree()
        assert not undo(home.place()).had_receipt
        assert home.tree() == before

    def test_both(self, home: Home) -> None:
        """The user's settings and the project's are independent."""
        home.has(ROUTER)
        home.setup().apply(nobody)
        home.setup(project=True).apply(nobody)
        undo(home.place())
        assert home.settings.read_text() == ROUTER
        assert read(home.place(project=True).settings.read_text())["env"]["ANTHROPIC_BASE_URL"] == URL


class LeftTests:
    """What is not taken back."""

    def test_changed_since(self, home: Home) -> None:
        """A value that somebody has changed stays, and the reason is told; the others come back."""
        path = home.has(ROUTER)
        home.setup().apply(nobody)
        path.write_text(path.read_text().replace(URL, "http://mine"))
        undone = undo(home.place())
        assert undone.left == ("env.ANTHROPIC_BASE_URL, which was changed since",)
        assert path.read_text() == ROUTER.replace("http://127.0.0.1:3456", "http://mine")

    def test_removed_since(self, home: Home) -> None:
        """A value that somebody has removed stays away; so does all if its object has become something else."""
        path = home.has(ROUTER)
        home.setup().apply(nobody)
        now = read(path.read_text())
        del now["env"]["ANTHROPIC_AUTH_TOKEN"]
        path.write_text(json.dumps(now))
        undone = undo(home.place())
        assert undone.left == ("env.ANTHROPIC_AUTH_TOKEN, which was removed since",)
        assert "ANTHROPIC_AUTH_TOKEN" not in read(path.read_text())["env"]
        home.setup().apply(nobody)
        path.write_text('{"env": []}')
        assert set(undo(home.place()).left) >= {"env.ANTHROPIC_BASE_URL, which was changed since"}
        assert path.read_text() == '{"env": []}'

    def test_same_before(self, home: Home) -> None:
        """What stood there with the same value before is not ours."""
        content = json.dumps({"env": {"ANTHROPIC_BASE_URL": URL}})
        path = home.has(content)
        home.setup().apply(nobody)
        undone = undo(home.place())
        assert "env.ANTHROPIC_BASE_URL" not in undone.restored
        assert undone.left == ("env.ANTHROPIC_BASE_URL, which had this value before",)
        assert path.read_text() == content

    def test_file_is_gone(self, home: Home) -> None:
        """A file that somebody has removed or emptied is not made again."""
        home.has(ROUTER)
        home.setup().apply(nobody)
        home.settings.write_text("")
        undo(home.place())
        assert home.settings.read_text() == ""
        home.setup().apply(nobody)
        home.settings.unlink()
        undo(home.place())
        assert not home.settings.exists()

    def test_receipt_that_stays(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """A receipt that cannot be removed is told; the settings are as they were."""
        path = home.has("{}")
        home.setup().apply(nobody)

        def refuse(_path: Path) -> None:
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            with pytest.raises(SetupError, match=r"as it was before, but .* cannot be removed"):
                undo(home.place())
        assert path.read_text() == "{}"

    def test_no_json_any_more(self, home: Home) -> None:
        """A file that cannot be edited any more is left, and so is the receipt, for another try."""
        path = home.has("{}")
        home.setup().apply(nobody)
        written = path.read_text()
        path.write_text("// mine\n" + written)
        with pytest.raises(SetupError, match="line 1, column 1: a comment is not allowed"):
            undo(home.place())
        path.write_text(written)
        undo(home.place())
        assert path.read_text() == "{}"


class ModelTests:
    """The model that `/model` saves."""

    @pytest.mark.parametrize("model", ["glm@claude-bridge", "glm@claude-bridge[1m]", "other@claude-bridge", "glm"])
    @pytest.mark.parametrize("before", ["{}", '{"model": "opus"}', '{"model": "old@claude-bridge"}'])
    def test_ours(self, model: str, before: str, home: Home) -> None:
        """One of the bridge's goes, and the user's own comes back."""
        path = home.has(before)
        home.setup().apply(nobody)
        path.write_text(json.dumps(read(path.read_text()) | {"model": model}, indent=2))
        undone = undo(home.place())
        assert undone.restored[-1] == f"model, which was {model}"
        assert read(path.read_text()) == ({"model": "opus"} if "opus" in before else {})

    def test_after_a_second_set_up(self, home: Home) -> None:
        """The bridge's model is no user's own for a second set-up, one that he has chosen since is."""
        path = home.has('{"model": "opus"}')
        home.setup().apply(nobody)
        for chosen, expected in (("glm@claude-bridge", "opus"), ("sonnet", "sonnet"), ("glm", "sonnet")):
            path.write_text(json.dumps(read(path.read_text()) | {"model": chosen}))
            home.setup().apply(nobody)
            copy = path.read_bytes(), home.place().receipt.read_bytes()
            undo(home.place())
            assert read(path.read_text()) == {"model": expected}
            path.write_bytes(copy[0])
            home.place().receipt.parent.mkdir()
            home.place().receipt.write_bytes(copy[1])

    @pytest.mark.parametrize("model", ["opus", "glm", "claude-opus-4-8", 5])
    def test_users_own(self, model: object, home: Home) -> None:
        """One that the user had, or one that the bridge does not know, stays."""
        content = json.dumps({"model": model})
        path = home.has(content)
        home.setup().apply(nobody)
        undo(home.place())
        assert path.read_text() == content

    def test_without_a_set_up(self, home: Home) -> None:
        """A session with the bridge that was never set up may have saved one: it goes too, by its mark alone."""
        path = home.has('{"model": "glm@claude-bridge", "theme": "dark"}')
        undone = undo(home.place())
        assert (undone.had_receipt, undone.restored) == (False, ("model, which was glm@claude-bridge",))
        assert path.read_text() == '{"theme": "dark"}'
        before = home.tree()
        assert undo(home.place()).restored == ()
        assert home.tree() == before


class FamilyTests:
    """A model that /model of Claude Code has saved as the word of a family."""

    FABLE = setting("ANTHROPIC_DEFAULT_FABLE_MODEL", "glm@claude-bridge")

    @pytest.mark.parametrize("before", ["{}", '{"model": "opus"}'])
    @pytest.mark.parametrize("word", ["fable", "Fable[1m]"])
    def test_picked(self, before: str, word: str, home: Home) -> None:
        """It meant the bridge's model, so it goes, also if `setup` was run again meanwhile."""
        home.has(before)
        home.setup(self.FABLE).apply(nobody)
        home.settings.write_text(json.dumps(read(home.settings.read_text()) | {"model": word}))
        home.setup(self.FABLE).apply(nobody)
        assert f"model, which was {word}" in undo(home.place()).restored
        assert read(home.settings.read_text()) == read(before)

    def test_own(self, home: Home) -> None:
        """One that was there before stays, and so does one of a family that does not lead to the bridge."""
        home.has('{"model": "fable"}')
        home.setup(self.FABLE).apply(nobody)
        undo(home.place())
        assert read(home.settings.read_text()) == {"model": "fable"}
        home.has("{}")
        home.setup().apply(nobody)
        home.settings.write_text(json.dumps(read(home.settings.read_text()) | {"model": "fable"}))
        undo(home.place())
        assert read(home.settings.read_text()) == {"model": "fable"}

    def test_led_elsewhere(self, home: Home) -> None:
        """Who has led the family elsewhere since has chosen that."""
        home.has("{}")
        home.setup(self.FABLE).apply(nobody)
        text = home.settings.read_text().replace('FABLE_MODEL": "glm@claude-bridge"', 'FABLE_MODEL": "mine"')
        home.settings.write_text(json.dumps(read(text) | {"model": "fable"}))
        undo(home.place())
        assert read(home.settings.read_text())["model"] == "fable"


class KilledTests:
    """A process that dies at any moment."""

    @pytest.mark.parametrize("start", [ROUTER, "", "{}", None])
    def test_at_each_step(self, start: str | None, home: Home) -> None:
        """Whatever call to the system is the last one, the file is the old or the new one, and undo leads back."""
        if start is not None:
            home.has(start)
        command = [sys.executable, "-m", "tests.client.dying", str(home.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        assert (done.returncode, done.stderr) == (0, "")
        assert int(done.stdout) >= 7

    def test_by_a_signal(self, home: Home) -> None:
        """The same for a process that is killed at random moments while it sets up and undoes without a pause."""
        home.has(ROUTER)
        done = {ROUTER.encode()}
        home.setup().apply(nobody)
        done.add(home.settings.read_bytes())
        chance = random.Random(5)  # noqa: S311 - moments, not secrets
        script = (
            "import sys; from pathlib import Path; from tests.client.setups import Home, nobody\n"
            "from claude_bridge.client.undo import undo\n"
            "home = Home(Path(sys.argv[1])); print('ready', flush=True)\n"
            "while True: home.setup().apply(nobody); undo(home.place())\n"
        )
        for _ in range(8):
            command = [sys.executable, "-c", script, str(home.folder)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                time.sleep(chance.uniform(0.005, 0.05))
                process.send_signal(signal.SIGKILL)
            assert home.settings.read_bytes() in done
        home.setup().apply(nobody)
        undo(home.place())
        assert home.settings.read_text() == ROUTER
        assert [path.name for path in home.settings.parent.iterdir()] == ["settings.json"]
