"""Promises of the cached model lists."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.errors import UpstreamUnreachable
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.model_list import ModelInfo, find
from claude_bridge.services.interfaces import ModelLists, ResponseHead, UpstreamReceiver, UpstreamRequest
from claude_bridge.services.model_lists import MAX_BODY_BYTES, CachedModelLists

BACKEND = Backend(name="b", url="http://backend.test/v1")
KEY = Secret("sk-client")


@define(eq=False)
class Asked:
    """One request that the fake client was given; also its call."""

    request: UpstreamRequest
    receiver: UpstreamReceiver
    cancelled: bool = False

    def data_event_seen(self) -> None:
        """Nothing: lists are no streams."""

    def finish_seen(self) -> None:
        """Nothing: lists are no streams."""

    def cancel(self) -> None:
        """Note it."""
        self.cancelled = True

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing."""

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing."""

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.cancelled = True

    def answer(self, value: object, status: int = 200, **headers: str) -> None:
        """Answer with ``value`` as JSON, in two pieces."""
        body = json.dumps(value).encode()
        self.receiver.head_received(ResponseHead(status=status, headers=headers), self)
        for part in (body[:3], body[3:]):
            if not self.cancelled:
                self.receiver.data_received(part)
        if not self.cancelled:
            self.receiver.ended(None)

    def fail(self) -> None:
        """Fail to connect."""
        self.receiver.ended(UpstreamUnreachable("refused"))


@define
class RecordingClient:
    """An upstream client that only keeps what it is asked."""

    asked: list[Asked] = field(factory=list)

    def send(self, request: UpstreamRequest, receiver: UpstreamReceiver) -> Asked:
        """Keep it."""
        self.asked.append(Asked(request, receiver))
        return self.asked[-1]


@define
class Scene:
    """The lists with a clock and a client of our own."""

    clock: Clock = field(factory=Clock)
    client: RecordingClient = field(factory=RecordingClient)
    lists: CachedModelLists = field(init=False)
    max_keys: int = 256
    more: tuple[str, ...] = ()
    revealed: list[tuple[str, Clues]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Build the lists."""
        self.lists = CachedModelLists(
            self.client,
            self.clock,
            KINDS,
            on_clues=lambda backend, clues: self.revealed.append((backend.name, clues)),
            more_lists=lambda _: self.more if self.revealed else (),
            max_keys=self.max_keys,
        )

    def windows(self) -> dict[str, int | None]:
        """Return the windows that are known."""
        return {model.id: model.context_window for model in self.lists.known(BACKEND, KEY)}

    def fetch(self, backend: Backend = BACKEND, credential: Secret | None = KEY) -> list[tuple[str, ...]]:
        """Fetch; the list that is given back gets the ids once they are there."""
        got: list[tuple[str, ...]] = []
        lists: ModelLists = self.lists
        waiting: Deferred[tuple[ModelInfo, ...]] = lists.fetch(backend, credential)
        waiting.addCallback(lambda models: got.append(tuple(model.id for model in models)))
        return got


def listing(*names: str) -> dict[str, Any]:
    """Return an OpenAI list of ``names``."""
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 1} for name in names]}


class CachedModelListsTests:
    """Model lists are known fast, asked for rarely, and never stand in the way."""

    def test_asks_the_backend_with_the_clients_credential(self) -> None:
        """A backend that lists models by account sees the client's own key."""
        scene = Scene()
        got = scene.fetch()
        (asked,) = scene.client.asked
        assert (asked.request.method, asked.request.url, asked.request.body) == (
            "GET",
            "http://backend.test/v1/models",
            b"",
        )
        assert dict(asked.request.headers)["Authorization"] == "Bearer sk-client"
        asked.answer(listing("x", "y"))
        assert got == [("x", "y")]

    def test_no_credential_no_header(self) -> None:
        """Without any credential none is made up."""
        scene = Scene()
        scene.fetch(credential=None)
        assert "Authorization" not in dict(scene.client.asked[0].request.headers)

    def test_configured_headers_go_along(self) -> None:
        """The backend's configured headers are sent, and win over ours without doubling them."""
        scene = Scene()
        scene.fetch(evolve(BACKEND, headers=(("authorization", "Basic x"), ("X-Org", "7"))))
        headers = scene.client.asked[0].request.headers
        assert [value for name, value in headers if name.lower() == "authorization"] == ["Basic x"]
        assert ("X-Org", "7") in headers

    def test_fresh_list_is_not_asked_for_again(self) -> None:
        """For five minutes the list is simply known."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.clock.advance(299)
        assert scene.fetch() == [("x",)]
        assert len(scene.client.asked) == 1
        assert [model.id for model in scene.lists.known(BACKEND, KEY)] == ["x"]

    def test_stale_list_is_given_while_a_new_one_is_fetched(self) -> None:
        """After five minutes nobody waits either; the new list shows from the next request on."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.clock.advance(300)
        assert scene.fetch() == [("x",)]
        assert scene.fetch() == [("x",)]
        assert len(scene.client.asked) == 2
        scene.client.asked[1].answer(listing("new"))
        assert scene.fetch() == [("new",)]

    def test_revision(self) -> None:
        """Whoever uses a list can tell that another one has arrived; a failure changes nothing."""
        scene = Scene()
        scene.fetch()
        assert scene.lists.revision == 0
        scene.client.asked[0].answer(listing("x"))
        assert scene.lists.revision == 1
        scene.clock.advance(300)
        scene.fetch()
        scene.client.asked[1].answer(listing(), status=500)
        assert scene.lists.revision == 1

    def test_each_list_is_passed_on(self) -> None:
        """Who asks for it gets each list that arrives, and no failure."""
        scene, passed = Scene(), list[tuple[str, ...]]()
        scene.lists.on_list = lambda backend, models: passed.append((backend.name, *(each.id for each in models)))
        scene.fetch()
        scene.client.asked[0].answer(listing("x", "y"))
        scene.clock.advance(300)
        scene.fetch()
        scene.client.asked[1].answer(listing(), status=500)
        assert passed == [(BACKEND.name, "x", "y")]

    def test_stale_list_outlives_a_failing_backend(self) -> None:
        """What was known stays known while the backend is down."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.clock.advance(300)
        scene.fetch()
        scene.client.asked[1].fail()
        assert scene.fetch() == [("x",)]
        assert len(scene.client.asked) == 2

    def test_many_who_want_it_ask_once(self) -> None:
        """A crowd at the same moment is one question."""
        scene = Scene()
        crowd = [scene.fetch() for _ in range(20)]
        assert len(scene.client.asked) == 1
        scene.client.asked[0].answer(listing("x"))
        assert crowd == [[("x",)]] * 20
        assert scene.clock.getDelayedCalls() == []

    def test_credentials_are_apart(self) -> None:
        """One client never sees the list of another's account."""
        scene = Scene()
        scene.fetch(credential=Secret("one"))
        scene.client.asked[0].answer(listing("secret-model"))
        other = scene.fetch(credential=Secret("two"))
        assert other == []
        assert scene.lists.known(BACKEND, Secret("two")) == ()
        scene.client.asked[1].answer(listing("x"))
        assert other == [("x",)]

    def test_backends_are_apart(self) -> None:
        """The same key at two backends gives two lists."""
        scene = Scene()
        scene.fetch()
        scene.fetch(evolve(BACKEND, name="other"))
        assert len(scene.client.asked) == 2

    def test_waits_two_seconds_at_most(self) -> None:
        """A slow backend costs its first asker two seconds; its answer still counts for the next."""
        scene = Scene()
        got = scene.fetch()
        scene.clock.advance(1.9)
        assert got == []
        scene.clock.advance(0.1)
        assert got == [()]
        scene.clock.advance(5)
        scene.client.asked[0].answer(listing("x"))
        assert scene.fetch() == [("x",)]
        assert scene.clock.getDelayedCalls() == []

    def test_gives_up_after_ten_seconds(self) -> None:
        """A backend that hangs is not asked for ever: its connection is closed."""
        scene = Scene()
        scene.fetch()
        scene.clock.pump([2, 8])
        assert scene.client.asked[0].cancelled
        assert scene.clock.getDelayedCalls() == []

    def test_failure_is_remembered_for_five_seconds(self) -> None:
        """A dead backend is not asked by every request, and a backend that just started is seen soon."""
        scene = Scene()
        assert scene.fetch() == []
        scene.client.asked[0].fail()
        scene.clock.advance(4.9)
        assert scene.fetch() == [()]
        assert len(scene.client.asked) == 1
        scene.clock.advance(0.1)
        got = scene.fetch()
        scene.client.asked[1].answer(listing("x"))
        assert got == [("x",)]

    @pytest.mark.parametrize("status", [401, 404, 500, 503])
    def test_error_answer_is_no_list(self, status: int) -> None:
        """Whatever stands in an error answer is not taken for models."""
        scene = Scene()
        got = scene.fetch()
        scene.client.asked[0].answer(listing("x"), status=status)
        assert got == [()]
        assert scene.client.asked[0].cancelled

    def test_empty_list_is_asked_for_again_soon(self) -> None:
        """A server that is still loading and lists nothing does not hide its models for minutes."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer(listing())
        scene.clock.advance(5)
        scene.fetch()
        assert len(scene.client.asked) == 2

    def test_body_is_bounded(self) -> None:
        """A backend that sends without end fills no memory."""
        scene = Scene()
        got = scene.fetch()
        asked = scene.client.asked[0]
        asked.receiver.head_received(ResponseHead(status=200, headers={}), asked)
        asked.receiver.data_received(b" " * MAX_BODY_BYTES)
        assert not asked.cancelled
        asked.receiver.data_received(b" ")
        assert asked.cancelled
        assert got == [()]

    def test_keys_are_bounded(self) -> None:
        """A flood of made-up credentials pushes out what was not used for longest, and answers all the same."""
        scene = Scene(max_keys=2)
        for number in range(3):
            scene.fetch(credential=Secret(str(number)))
            scene.client.asked[-1].answer(listing(str(number)))
            scene.fetch(credential=Secret("0"))
        assert [len(scene.lists.known(BACKEND, Secret(str(number)))) for number in range(3)] == [1, 0, 1]

    def test_pushed_out_asker_is_answered(self) -> None:
        """Who waits is told, also when others have pushed the entry out meanwhile."""
        scene = Scene(max_keys=1)
        got = scene.fetch(credential=Secret("0"))
        scene.fetch(credential=Secret("1"))
        scene.client.asked[0].answer(listing("x"))
        assert got == [("x",)]

    def test_known_asks_nobody(self) -> None:
        """Looking at what is known makes no request."""
        scene = Scene()
        assert scene.lists.known(BACKEND, KEY) == ()
        assert scene.client.asked == []

    def test_asker_may_leave(self) -> None:
        """A client that leaves while it waits disturbs nobody."""
        scene = Scene()
        waiting = scene.lists.fetch(BACKEND, KEY)
        waiting.addErrback(lambda _: None)
        other = scene.fetch()
        waiting.cancel()
        scene.client.asked[0].answer(listing("x"))
        assert other == [("x",)]
        assert scene.clock.getDelayedCalls() == []

    def test_last_asker_leaves(self) -> None:
        """When everybody who waited has left, the backend is let go too; that is no failure, so the next asks anew."""
        scene = Scene()
        for waiting in [scene.lists.fetch(BACKEND, KEY) for _ in range(2)]:
            assert not scene.client.asked[0].cancelled
            waiting.addErrback(lambda _: None)
            waiting.cancel()
        assert scene.client.asked[0].cancelled
        assert scene.clock.getDelayedCalls() == []
        got = scene.fetch()
        scene.client.asked[1].answer(listing("x"))
        assert got == [("x",)]

    def test_close_leaves_nothing_behind(self) -> None:
        """At the daemon's stop questions under way are dropped and who waits is told."""
        scene = Scene()
        got = scene.fetch()
        scene.lists.close()
        assert got == [()]
        assert scene.client.asked[0].cancelled
        assert scene.clock.getDelayedCalls() == []


class ReloadTests:
    """Another configuration."""

    def test_another_address(self) -> None:
        """The list of a backend that is at another address now is another one; the old one is still there."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer(listing("old"))
        moved = evolve(BACKEND, url="http://moved.test/v1")
        assert scene.lists.known(moved, KEY) == ()
        assert scene.lists.known(BACKEND, KEY)


class RenewedTests:
    """Who must know what is true now waits for it, shortly, also where something older is known."""

    def renew(self, scene: Scene) -> list[tuple[str, ...]]:
        """Ask for the list as it is now; the list that is given back gets the ids once they are there."""
        got: list[tuple[str, ...]] = []
        waiting = scene.lists.renewed(BACKEND, KEY)
        waiting.addCallback(lambda models: got.append(tuple(model.id for model in models)))
        return got

    def test_older_list_is_not_enough(self) -> None:
        """After a few seconds what is known is asked for anew, and waited for."""
        scene = Scene()
        first = self.renew(scene)
        scene.client.asked[0].answer(listing("x"))
        assert first == [("x",)]
        scene.clock.advance(4.9)
        assert self.renew(scene) == [("x",)]
        scene.clock.advance(0.1)
        got = self.renew(scene)
        assert got == []
        scene.client.asked[1].answer(listing("new"))
        assert (got, len(scene.client.asked)) == ([("new",)], 2)

    def test_crowd_asks_once(self) -> None:
        """Many at the same moment wait for one question, with those who would take an older list."""
        scene = Scene()
        crowd = [scene.fetch(), self.renew(scene), self.renew(scene)]
        (asked,) = scene.client.asked
        asked.answer(listing("x"))
        assert crowd == [[("x",)]] * 3

    def test_hanging_list_costs_one_wait(self) -> None:
        """A list that hangs is waited for by the first, for two seconds; all others get what is known at once."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.clock.advance(300)
        first = self.renew(scene)
        scene.clock.advance(1.9)
        assert first == []
        scene.clock.advance(0.1)
        assert first == [("x",)]
        for _ in range(12):
            assert self.renew(scene) == [("x",)]
            scene.clock.advance(1)
        assert len(scene.client.asked) == 2
        assert scene.clock.getDelayedCalls() == []

    def test_failure_is_remembered(self) -> None:
        """A list that fails is not asked for again by the next request."""
        scene = Scene()
        got = self.renew(scene)
        scene.client.asked[0].fail()
        assert got == [()]
        assert self.renew(scene) == [()]
        assert len(scene.client.asked) == 1

    def test_recovers(self) -> None:
        """After a while a list that hung is waited for again."""
        scene = Scene()
        self.renew(scene)
        scene.clock.pump([2, 8, 5])
        got = self.renew(scene)
        assert got == []
        scene.client.asked[1].answer(listing("x"))
        assert got == [("x",)]

    def test_last_asker_leaves(self) -> None:
        """When the only one who waits leaves, the connection goes too and what was known stays."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.clock.advance(5)
        waiting = scene.lists.renewed(BACKEND, KEY)
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        assert scene.client.asked[1].cancelled
        assert scene.fetch() == [("x",)]
        assert scene.clock.getDelayedCalls() == []


class RevealedTests:
    """A list also tells what kind of server sent it."""

    def test_owners_and_headers(self) -> None:
        """The owners of the models, each once, and the headers are passed on."""
        scene = Scene()
        scene.fetch()
        models = [{"id": "a", "owned_by": "vllm"}, {"id": "b", "owned_by": "vllm"}, {"id": "c", "owned_by": "d"}]
        scene.client.asked[0].answer({"data": models}, server="llama.cpp")
        assert scene.revealed == [("b", Clues(owners=("vllm", "d"), headers={"server": "llama.cpp"}))]

    def test_owners_are_bounded(self) -> None:
        """The list of a market with many owners is cut."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer({"data": [{"id": str(n), "owned_by": f"o{n}"} for n in range(100)]})
        assert scene.revealed == [("b", Clues(owners=tuple(f"o{n}" for n in range(16))))]

    def test_nothing_revealed(self) -> None:
        """What is no list tells nothing."""
        scene = Scene()
        scene.fetch()
        scene.client.asked[0].answer({"error": "no"})
        assert scene.revealed == []


class MoreListsTests:
    """Some servers tell the windows of loaded models in a list of their own."""

    OLLAMA: ClassVar[dict[str, Any]] = {
        "object": "list",
        "data": [
            {"id": "gemma4:latest", "object": "model", "created": 1, "owned_by": "library"},
            {"id": "qwen3:8b", "object": "model", "created": 1, "owned_by": "library"},
        ],
    }
    PS: ClassVar[dict[str, Any]] = {
        "models": [
            {
                "name": "gemma4:latest",
                "model": "gemma4:latest",
                "size": 9600000000,
                "details": {"context_length": 262144},
                "context_length": 131072,
            }
        ]
    }

    def test_ollama(self) -> None:
        """Ollama's /api/ps tells the window that a model is loaded with, not its maximum (api/types.go)."""
        scene = Scene(more=("/api/ps",))
        got = scene.fetch()
        scene.client.asked[0].answer(self.OLLAMA)
        assert got == []
        assert scene.client.asked[1].request.url == "http://backend.test/api/ps"
        assert dict(scene.client.asked[1].request.headers)["Authorization"] == "Bearer sk-client"
        scene.client.asked[1].answer(self.PS)
        assert got == [("gemma4:latest", "qwen3:8b")]
        assert scene.windows() == {"gemma4:latest": 131072, "qwen3:8b": None}
        assert find(scene.lists.known(BACKEND, KEY), "gemma4") is not None

    def test_lm_studio(self) -> None:
        """LM Studio's own list tells the window of what is loaded; another model's maximum is not it."""
        scene = Scene(more=("/api/v0/models",))
        scene.fetch()
        scene.client.asked[0].answer(listing("qwen/qwen3-8b", "idle"))
        loaded = {"state": "loaded", "max_context_length": 131072, "loaded_context_length": 8192}
        idle = {"id": "idle", "state": "not-loaded", "max_context_length": 32768}
        scene.client.asked[1].answer({"object": "list", "data": [{"id": "qwen/qwen3-8b", **loaded}, idle]})
        assert scene.windows() == {"qwen/qwen3-8b": 8192, "idle": None}

    def test_asked_after_what_was_revealed(self) -> None:
        """The very list that tells what a server is decides whether it is asked for more."""
        scene = Scene(more=("/a", "/b"))
        scene.fetch()
        assert scene.lists._more_lists(BACKEND) == ()
        scene.client.asked[0].answer(listing("x"))
        scene.client.asked[1].answer({"data": [{"id": "x", "context_length": 5}]})
        scene.client.asked[2].answer({"data": [{"id": "x", "context_length": 6}, {"id": "y", "context_length": 7}]})
        assert [asked.request.url for asked in scene.client.asked[1:]] == [
            "http://backend.test/a",
            "http://backend.test/b",
        ]
        assert scene.windows() == {"x": 6}

    @pytest.mark.parametrize("status", [200, 404, 500])
    def test_failure_costs_only_windows(self, status: int) -> None:
        """Where that list cannot be had the models are known all the same."""
        scene = Scene(more=("/a",))
        got = scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.client.asked[1].answer({"error": "no"}, status=status)
        assert got == [("x",)]

    def test_asker_leaves_meanwhile(self) -> None:
        """Who leaves while the second list is under way takes it along."""
        scene = Scene(more=("/a",))
        waiting = scene.lists.fetch(BACKEND, KEY)
        waiting.addErrback(lambda _: None)
        scene.client.asked[0].answer(listing("x"))
        waiting.cancel()
        assert scene.client.asked[1].cancelled
        assert scene.clock.getDelayedCalls() == []

    def test_fresh_for_half_a_minute(self) -> None:
        """What is loaded changes, so such a list is asked for again sooner."""
        scene = Scene(more=("/a",))
        scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.client.asked[1].answer(listing())
        scene.clock.advance(29)
        scene.fetch()
        assert len(scene.client.asked) == 2
        scene.clock.advance(1)
        assert scene.fetch() == [("x",)]
        assert len(scene.client.asked) == 3

    def test_close(self) -> None:
        """At the daemon's stop the second question is dropped as well, and what is known is known."""
        scene = Scene(more=("/a",))
        got = scene.fetch()
        scene.client.asked[0].answer(listing("x"))
        scene.lists.close()
        assert got == [("x",)]
        assert scene.clock.getDelayedCalls() == []
