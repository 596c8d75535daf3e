"""Promises of what is told beside an error that somebody has to mend by hand."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BridgeError, NotFound, UpstreamMisaddressed, UpstreamServerError
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.services.breaker import NoBreaker
from claude_bridge.services.exchange.hints import Hints
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.testing.fakes import FixedLists, FixedSignposts
from tests.services.exchange.stage import ONE, candidates, configured, models, resolving

FORWARDING = ONE.replace("credentials = none", "credentials = forward")


class HintsTests:
    """What helps is found and told."""

    def setup_method(self) -> None:
        """Make hints of what is known beforehand."""
        self.config = configured(FORWARDING)
        self.lists = FixedLists({"box": models("zai/GLM-Air", "llama")})
        self.signposts = FixedSignposts()
        self.hints = Hints(keys=KeyRing(self.config, NoBreaker()), lists=self.lists, signposts=self.signposts)

    def told(self, error: BridgeError, key: str = "client-key") -> BridgeError | None:
        """Return the error with what helps."""
        choices: list[tuple[Candidate, ...]] = []
        Deferred.fromCoroutine(candidates(resolving(self.config), "glm")).addCallback(choices.append)
        ((choice,),) = choices
        found: list[BridgeError] = []
        hint = self.hints.of(error, choice, Secret(key))
        if hint is None:
            return None
        hint.addCallback(found.append)
        return found[0]

    def test_names(self) -> None:
        """A name that is not there comes with those that are, and stays what it was."""
        told = self.told(NotFound("model: glm is unknown", should_retry=False))
        assert isinstance(told, NotFound)
        assert (told.message, told.should_retry) == ("model: glm is unknown. It has zai/GLM-Air, llama", False)
        assert self.lists.asked == [("box", "client-key")]

    def test_no_list(self) -> None:
        """Where no list is to be had nothing is made up."""
        self.lists.lists.clear()
        error = NotFound("model: glm is unknown")
        assert self.told(error) is error

    def test_many_names(self) -> None:
        """Of a market's names the likest are told, and how many more there are."""
        self.lists.lists["box"] = tuple(ModelInfo(id=f"m-{number}") for number in range(50)) + models("zai/GLM-4")
        told = self.told(NotFound("model: glm is unknown"))
        assert told is not None
        assert told.message.startswith("model: glm is unknown. It has zai/GLM-4, ")
        assert told.message.endswith(" and 46 more")

    def test_url(self) -> None:
        """A wrong url comes with what was found around it; Anthropic's own key is not shown to anybody."""
        told = self.told(UpstreamMisaddressed("there is a page"), key="sk-ant-x")
        assert isinstance(told, UpstreamMisaddressed)
        assert told.message == f"there is a page. {self.signposts.sentence}"
        assert self.signposts.asked == [("box", None)]

    def test_nothing_to_add(self) -> None:
        """Other errors wait for nothing."""
        assert self.told(UpstreamServerError("out of memory")) is None
