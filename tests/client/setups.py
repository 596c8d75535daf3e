"""A user's home, and set-ups in it."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen

from claude_bridge.client.environment import Setting
from claude_bridge.client.settings_draft import Place, place
from claude_bridge.client.setup import Setup

URL = "http://127.0.0.1:8080"


def setting(name: str, value: str, why: str = "", *, ready: bool = True) -> Setting:
    """Return one variable."""
    return Setting(name=name, value=value, why=why, ready=ready)


SETTINGS = (
    setting("ANTHROPIC_BASE_URL", URL),
    setting("ANTHROPIC_AUTH_TOKEN", "unused"),
    setting("ANTHROPIC_MODEL", "glm@claude-bridge"),
    setting("ANTHROPIC_DEFAULT_HAIKU_MODEL", "NAME", ready=False),
    setting("CLAUDE_CODE_MAX_CONTEXT_TOKENS", "131072"),
)


def nobody(why: str) -> str:
    """Fail: nobody should be asked."""
    raise AssertionError(why)


@frozen
class Home:
    """A user with a home folder and a project."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """The environment."""
        return {"HOME": str(self.folder)}

    @property
    def settings(self) -> Path:
        """The user's settings."""
        return self.folder / ".claude" / "settings.json"

    @property
    def project(self) -> Path:
        """A project of the user's."""
        return self.folder / "project"

    def place(self, *, project: bool = False) -> Place:
        """Return the settings that are changed."""
        return place(self.environ, self.project, project=project)

    def setup(self, *more: Setting, project: bool = False, without: str = "", token: str = "") -> Setup:
        """Return a set-up, with more variables or other values, or without one."""
        wanted = {each.name: each for each in (*SETTINGS, *more) if each.name != without}
        return Setup(
            where=self.place(project=project),
            settings=tuple(wanted.values()),
            published=("glm",),
            token=token,
            token_needed=False,
        )

    def has(self, content: bytes | str) -> Path:
        """Write the user's settings, and return their path."""
        self.settings.parent.mkdir(exist_ok=True)
        self.settings.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.settings

    def tree(self) -> dict[str, bytes | None]:
        """Return everything under the home folder, but for folders that are not the client's."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() or ".claude" in path.name:
                found[str(path.relative_to(self.folder))] = path.read_bytes() if path.is_file() else None
        return found


def needing_token(setup: Setup, *, needed: bool, why: str = "put it here") -> Setup:
    """Return a set-up whose token only the person knows."""
    token = setting("ANTHROPIC_AUTH_TOKEN", "YOUR-CLIENT-KEY", why)
    settings = tuple(token if each.name == token.name else each for each in setup.settings)
    return evolve(setup, settings=settings, token_needed=needed)
