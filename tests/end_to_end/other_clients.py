"""Clients of others: which ones, in which versions, what their users are told, and how one is run.

To add a client, write a driver for it (``drivers``; ``driving.mjs`` says how) and a row of `CLIENTS`. What a client
cannot do its row leaves out, by name and with the reason.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from claude_bridge.testing.received import Received
from tests import environments, npm
from tests.end_to_end import scenarios
from tests.end_to_end.claude_code import QUIET
from tests.end_to_end.processes import run_program
from tests.end_to_end.scenarios import OVERFLOW, RATE_LIMITED, RETRY_AFTER, UNAUTHORIZED
from tests.end_to_end.shared import Running
from tests.end_to_end.users import PICTURE
from tests.environments import Environment, built
from tests.npm import Package, installed, node

DRIVERS = Path(__file__).with_name("drivers")

RUN_SECONDS = 200.0
"""Limit for one client and all its scenarios: ten to forty seconds on a busy machine."""

ALONE: Mapping[str, str] = {
    **QUIET,
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_SHARE": "1",
    "npm_config_offline": "true",  # opencode installs what plug-ins need, while its user waits
}
"""Environment in which none of them asks anybody but the bridge."""

APART: Final = {"input": 200, "cached": 1000, "output": 34}
"""`scenarios.USAGE` as clients show it that count what was cached apart, as the API does."""

TOGETHER: Final = {"input": 1200, "cached": 1000, "output": 34}
"""The same of clients that count it as input too."""


@frozen(kw_only=True)
class Refusal:
    """What a client's user is told when there is no answer.

    :ivar kind: the exception's class, or what the client calls it.
    :ivar says: part of the message.
    """

    kind: str
    says: str
    status: int | None = None
    retry_after: str | None = None


BUSY: Final = "backend 'scripted' answered 429: slow down"
WRONG_KEY: Final = "backend 'scripted' refused your API key"
TOO_LONG: Final = f"prompt is too long: {scenarios.PROMPT} tokens > {scenarios.WINDOW} maximum"


def _refusals(busy: str, wrong_key: str, too_long: str) -> Mapping[str, Refusal]:
    """Make those of a client that shows status, headers and the bridge's own words."""
    return {
        RATE_LIMITED: Refusal(kind=busy, status=429, retry_after=str(RETRY_AFTER), says=BUSY),
        UNAUTHORIZED: Refusal(kind=wrong_key, status=401, says=WRONG_KEY),
        OVERFLOW: Refusal(kind=too_long, status=400, says=TOO_LONG),
    }


@frozen(kw_only=True)
class OtherClient:
    """One client.

    :ivar source: what is installed, from npm or PyPI.
    :ivar usage: the tokens of a plain answer.
    :ivar finish: how it calls the end of one.
    :ivar refusals: what its user is told, by scenario.
    :ivar tries: requests that it makes of one where each is answered 429.
    :ivar lacks: scenarios that it cannot do, with the reason.
    """

    name: str
    driver: str
    source: Package | Environment
    usage: Mapping[str, int]
    finish: str
    refusals: Mapping[str, Refusal]
    tries: int = 3
    lacks: Mapping[str, str] = field(factory=dict)
    environment: Mapping[str, str] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Refuse to leave out what there is not: it would hide that nothing is left out."""
        assert self.lacks.keys() <= scenarios.SCENES.keys(), self.lacks

    @property
    def scenarios(self) -> Sequence[str]:
        """List what it is driven through."""
        return [name for name in scenarios.SCENES if name not in self.lacks]

    def command(self, folder: Path) -> Sequence[str]:
        """Put together what starts its driver, with its packages where the driver in ``folder`` finds them."""
        if isinstance(self.source, Environment):
            return (str(built(self.source).python), self.driver)
        packages = installed(self.source)
        (folder / "node_modules").symlink_to(packages / "node_modules")
        return (node(packages), self.driver)


_AI_SDK: Final = _refusals("AI_RetryError", "AI_APICallError", "AI_APICallError")
_OFFICIAL: Final = _refusals("RateLimitError", "AuthenticationError", "BadRequestError")
_AGENT_SDK: Final = {
    RATE_LIMITED: Refusal(kind="rate_limit", status=429, says=BUSY),
    UNAUTHORIZED: Refusal(kind="authentication_failed", status=401, says=WRONG_KEY),
    OVERFLOW: Refusal(
        kind="invalid_request",
        status=400,
        says=f"Prompt is too long \N{MIDDLE DOT} the request is ~{scenarios.PROMPT} tokens (limit {scenarios.WINDOW})",
    ),
}
_OFFICIAL_LACKS: Final = {scenarios.STRUCTURED_TOOL: "it asks for a shape by output_config.format only"}
_AGENT_LACKS: Final = {scenarios.STRUCTURED: "Claude Code asks for a shape by a tool only"}
_FEWER_TRIES: Final = {"CLAUDE_CODE_MAX_RETRIES": "2"}  # by itself it makes eleven, which takes minutes

CLIENTS: Final = (
    OtherClient(
        name="ai-5",
        driver="drive_ai_sdk.mjs",
        source=npm.AI_5,
        usage=APART,
        finish="stop",
        refusals=_AI_SDK,
    ),
    OtherClient(
        name="ai-6",
        driver="drive_ai_sdk.mjs",
        source=npm.AI_6,
        usage=TOGETHER,
        finish="stop",
        refusals=_AI_SDK,
    ),
    OtherClient(
        name="ai-7",
        driver="drive_ai_sdk.mjs",
        source=npm.AI_7,
        usage=TOGETHER,
        finish="stop",
        refusals=_AI_SDK,
    ),
    OtherClient(
        name="anthropic-ts",
        driver="drive_anthropic.mjs",
        source=npm.ANTHROPIC_SDK,
        usage=APART,
        finish="end_turn",
        refusals=_OFFICIAL,
        lacks=_OFFICIAL_LACKS,
    ),
    OtherClient(
        name="anthropic-py",
        driver="drive_anthropic.py",
        source=environments.ANTHROPIC,
        usage=APART,
        finish="end_turn",
        refusals=_OFFICIAL,
        lacks=_OFFICIAL_LACKS,
    ),
    OtherClient(
        name="agent-sdk-ts",
        driver="drive_agent_sdk.mjs",
        source=npm.CLAUDE_AGENT_SDK,
        usage=APART,
        finish="end_turn",
        refusals=_AGENT_SDK,
        lacks=_AGENT_LACKS,
        environment=_FEWER_TRIES,
    ),
    OtherClient(
        name="agent-sdk-py",
        driver="drive_agent_sdk.py",
        source=environments.CLAUDE_AGENT_SDK,
        usage=APART,
        finish="end_turn",
        refusals=_AGENT_SDK,
        lacks=_AGENT_LACKS,
        environment=_FEWER_TRIES,
    ),
    OtherClient(
        name="langchain",
        driver="drive_langchain.py",
        source=environments.LANGCHAIN,
        usage=TOGETHER,
        finish="end_turn",
        refusals=_refusals("AnthropicRateLimitError", "AnthropicAuthenticationError", "AnthropicContextOverflowError"),
    ),
    OtherClient(
        name="pydantic-ai",
        driver="drive_pydantic_ai.py",
        source=environments.PYDANTIC_AI,
        usage=TOGETHER,
        finish="stop",
        refusals=_refusals("ModelRateLimitError", "ModelAuthenticationError", "ModelContextWindowExceededError"),
    ),
    OtherClient(
        name="opencode",
        driver="drive_opencode.mjs",
        source=npm.OPENCODE,
        usage=APART,
        finish="stop",
        refusals={
            RATE_LIMITED: Refusal(kind="retry", says=BUSY),
            UNAUTHORIZED: Refusal(kind="APIError", status=401, says=WRONG_KEY),
            OVERFLOW: Refusal(kind="ContextOverflowError", says="Session too large to compact"),
        },
        tries=2,  # it never gives up, its user does
        lacks={scenarios.STRUCTURED: "it asks for a shape by a tool only"},
    ),
)


@frozen(kw_only=True)
class Exchange:
    """What came of one client's scenarios.

    :ivar outcomes: what the driver wrote, by scenario.
    :ivar chats: what the backend got, by scenario.
    :ivar told: all that the driver wrote, for who has to find out why something failed.
    """

    outcomes: Mapping[str, Mapping[str, Any]]
    chats: Mapping[str, Sequence[Received]]
    told: str

    def answer(self, scenario: str) -> Mapping[str, Any]:
        """Return what the client's user got."""
        outcome = self._outcome(scenario)
        assert "error" not in outcome, f"{outcome}\n{self.told}"
        return outcome

    def error(self, scenario: str) -> Mapping[str, Any]:
        """Return how the client's user was told that there is no answer."""
        outcome = self._outcome(scenario)
        assert "error" in outcome, outcome
        error: Mapping[str, Any] = outcome["error"]
        return error

    def _outcome(self, scenario: str) -> Mapping[str, Any]:
        assert scenario in self.outcomes, f"no word of {scenario}\n{self.told}"
        return self.outcomes[scenario]


async def run_client(reactor: Any, client: OtherClient, running: Running, folder: Path) -> Exchange:
    """Drive a client through all its scenarios, in an empty folder with an empty home."""
    backend, daemon = running
    backend.requests.clear()
    shutil.copytree(DRIVERS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    environment = {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        **ALONE,
        **client.environment,
        "BRIDGE_URL": daemon.url,
        "BRIDGE_KEY": scenarios.KEY,
        "PICTURE": PICTURE,
    }
    command = [*client.command(folder), *client.scenarios]
    ran = await run_program(reactor, command, environment=environment, folder=folder, seconds=RUN_SECONDS)
    lines = [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]
    chats = {name: [one for one in backend.chats if one.json["model"] == name] for name in scenarios.SCENES}
    assert [one.problems for one in backend.chats if one.problems] == []
    return Exchange(
        outcomes={line.pop("scenario"): line for line in lines},
        chats=chats,
        told=f"{client.driver} ended with {ran.code}:\n{ran.out[-3000:]}\n{ran.err[-6000:]}",
    )
