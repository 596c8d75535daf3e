"""Conversations with services that refuse what the real ones refuse, and bridges that are restarted under them.

Claude Code asks, the model thinks and calls tools, gets their results, and calls again; between any two requests the
bridge is replaced by a new one that has never seen the conversation. Then conversations move from service to service.
"""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.core import opaque_state
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.strict.breakages import BREAKAGES, Breakage
from tests.end_to_end.strict.conversation import FIXTURES, MESSAGES, Conversation, Services, bridge, compact
from tests.end_to_end.strict.dashscope import DashScope
from tests.end_to_end.strict.deepseek import DeepSeekReasoner, DeepSeekV4
from tests.end_to_end.strict.gemini import Gemini
from tests.end_to_end.strict.groq import Groq
from tests.end_to_end.strict.mistral import Mistral
from tests.end_to_end.strict.moonshot import Moonshot
from tests.end_to_end.strict.openai import OpenAI
from tests.end_to_end.strict.openrouter import OpenRouterClaude, OpenRouterGPT
from tests.end_to_end.strict.service import ModelTurn, Service
from tests.end_to_end.strict.template import FIRST, TURNS, LlamaCpp, Vllm
from tests.end_to_end.strict.xai import Xai
from tests.end_to_end.strict.zai import Zai

ALTERNATE = {"alternate": "yes"}
MAKERS: Mapping[str, Callable[[], Service]] = {
    "deepseek-v4": DeepSeekV4,
    "deepseek-reasoner": DeepSeekReasoner,
    "kimi-k2.5": Moonshot,
    "kimi-k2.7": lambda: Moonshot(model="kimi-k2.7-code", repeats=True),
    "gemini": Gemini,
    "mistral": Mistral,
    "glm-5.2": Zai,
    "glm-4.7": lambda: Zai(model="glm-4.7"),
    "openrouter-claude": OpenRouterClaude,
    "openrouter-gpt": OpenRouterGPT,
    "openai": OpenAI,
    "groq": Groq,
    "xai": Xai,
    "dashscope": DashScope,
    "vllm-devstral": lambda: Vllm(model="mistralai/Devstral-Small-2-24B"),
    "llamacpp": lambda: LlamaCpp(overrides=ALTERNATE),
    "vllm": lambda: Vllm(overrides=ALTERNATE),
}
TEMPLATES: Mapping[str, Callable[[], Service]] = {"llamacpp": LlamaCpp, "vllm": Vllm}
HOSTED = [name for name in MAKERS if name not in TEMPLATES]


@pytest.fixture(autouse=True, scope="module")
def collector() -> Iterator[None]:
    """Yield the test process its garbage collector back at the end: each bridge sets it."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest_twisted.async_yield_fixture()
async def services(reactor: Any) -> AsyncIterator[Services]:
    """Yield the means to start services."""
    started = Services(reactor)
    yield started
    await started.stop()


def read(path: str) -> tuple[str, str]:
    """Make a call that reads a file."""
    return "Read", compact({"file_path": path})


BOTH = ModelTurn(
    thought="I have to see both files first.", text="Let me read both.", calls=(read("/one.txt"), read("/two.txt"))
)
DIFF = ModelTurn(thought="Line three may differ.", calls=(("Bash", compact({"command": "diff one.txt two.txt"})),))
ONE_LINE = ModelTurn(thought="So it is one line.", text="They differ in one line.")
THIRD = ModelTurn(thought="There is a third one.", calls=(read("/three.txt"),))
EQUAL = ModelTurn(thought="No difference at all.", text="The third equals the second.")


async def begin(services: Services, service: Service, *, stream: bool) -> Conversation:
    """Ask a question, have two tools called at once, and one more after their results."""
    talk = Conversation()
    talk.told_by_system("You may use all tools.")
    talk.asks("Compare one.txt and two.txt.")
    message = await services.turn(talk, service, BOTH, stream=stream)
    talk.gives_results(message, reminder=True)
    message = await services.turn(talk, service, DIFF, stream=not stream)
    talk.gives_results(message)
    return talk


async def loop(services: Services, service: Service, *, stream: bool) -> Conversation:
    """Have a whole conversation: two questions, three turns with tools, and what the client adds by itself."""
    talk = await begin(services, service, stream=stream)
    talk.told_by_system("Files were changed meanwhile.")
    await services.turn(talk, service, ONE_LINE, stream=stream)
    talk.asks("And the third?")
    message = await services.turn(talk, service, THIRD, stream=not stream)
    talk.gives_results(message, reminder=True, words="Stop after this one.")
    await services.turn(talk, service, EQUAL, stream=stream)
    return talk


def spoken(message: Mapping[str, Any]) -> str:
    """Return the text of a message and the arguments of its calls."""
    content = message["content"]
    texts = [content] if isinstance(content, str) else [part.get("text", "") for part in content or ()]
    return "\n".join([*texts, *(call["function"]["arguments"] for call in message.get("tool_calls") or ())])


def check_all_is_there(talk: Conversation, service: Service, *, notes: bool = True) -> None:
    """Find all that was said before in the last request that the service got, in order, and no state of ours.

    ``notes``: what the system says stands in its place, too.
    """
    request = service.accepted[-1]
    texts = "\n".join(spoken(message) for message in request["messages"])
    at = 0
    for said in talk.said_before if notes else talk.said_but_notes:
        found = texts.find(said, at)
        assert found >= 0, f"{said!r} is not there, or not in its place"
        at = found + len(said)
    assert opaque_state.STATE_PREFIX not in json.dumps(request)


def check_thoughts(talk: Conversation, service: Service) -> int:
    """Compare the thinking that came back: the service's own word for word, that of others at least as far as shown.

    Gives how often it was the service's own.
    """
    own = {said.key for said in service.said}
    came_back = [pair for request in service.accepted for pair in service.wanted(request).items()]
    for key, thought in came_back:
        assert thought == talk.thoughts[key] or (key not in own and not thought.strip())
    return sum(key in own for key, _ in came_back)


def check_signatures(service: Service) -> None:
    """See to it that no call of Gemini's own came back with the stand-in for foreign calls."""
    assert not isinstance(service, Gemini) or service.stood_in == []


def check_switches(service: Service) -> None:
    """See to it that GLM was asked to stream calls and to keep thinking: it does not insist on that."""
    if isinstance(service, Zai):
        assert service.in_one_piece == 0
        assert all(request["thinking"] == {"type": "enabled", "clear_thinking": False} for request in service.accepted)


@pytest.mark.parametrize("stream", [True, False])
class LoopTests:
    """One conversation with one service."""

    @pytest.mark.parametrize("name", HOSTED)
    @pytest_twisted.ensureDeferred
    async def test_hosted(self, services: Services, name: str, stream: bool) -> None:
        """Tools are called and answered across restarts, nothing is refused, and thinking comes back as it was."""
        service = services.start(MAKERS[name]())
        talk = await loop(services, service, stream=stream)
        assert service.refused == []
        assert len(service.accepted) == 5
        check_all_is_there(talk, service)
        assert bool(check_thoughts(talk, service)) == (service.wants != "none")
        check_signatures(service)
        check_switches(service)


@pytest.mark.parametrize("name", TEMPLATES)
class TemplateTests:
    """One conversation with a server of one's own whose template insists on turns."""

    @pytest_twisted.ensureDeferred
    async def test_template(self, services: Services, name: str) -> None:
        """Where a template insists on turns, one configured word is enough."""
        service = services.start(MAKERS[name]())
        talk = await loop(services, service, stream=True)
        assert service.refused == []
        check_all_is_there(talk, service)
        check_thoughts(talk, service)

    @pytest_twisted.ensureDeferred
    async def test_unknown_template(self, services: Services, name: str) -> None:
        """Without it the template's own words are understood: a bridge that knows nothing is refused once, no more."""
        service = services.start(TEMPLATES[name]())
        talk = await loop(services, service, stream=True)
        assert len(service.accepted) == 5
        assert [TURNS in told for told in service.refused] == [True] * 4
        check_all_is_there(talk, service)
        check_thoughts(talk, service)

    @pytest_twisted.ensureDeferred
    async def test_learned(self, services: Services, name: str) -> None:
        """A bridge that stays learns it for good."""
        service = services.start(TEMPLATES[name]())
        async with bridge(services.reactor, services.config) as client:
            talk = Conversation()
            talk.asks("Compare one.txt and two.txt.")
            for number in range(3):
                said = ModelTurn(calls=(read(f"/{number}.txt"),))
                message = await talk.turn(client, service, said, stream=True)
                talk.gives_results(message)
                talk.asks(f"Go on ({number}).")
            await talk.turn(client, service, ONE_LINE, stream=True)
        assert [TURNS in told for told in service.refused] == [True]
        check_all_is_there(talk, service)


UNKNOWN = {
    "deepseek-v4": ["must be passed back"],
    "deepseek-reasoner": [],
    "kimi-k2.5": ["moonshot flavored", "reasoning_content is missing"],
    "kimi-k2.7": ["moonshot flavored", "reasoning_content is missing"],
    "mistral": ["stream_options", "reasoning_content", "after role 'tool'"],
    "openai": ["Function tools", "Function tools", "'max_tokens'"],
    "groq": ["reasoning_content"],
    "xai": ["reasoning_content"],
    "dashscope": [],
    "llamacpp": ["must alternate"],
    "vllm": ["must alternate"],
}
"""What each service refuses of a bridge that takes it for a plain server, in order. The others need their dialect: what
they want back is theirs alone, or they do not say what they will not have."""


class UnknownServiceTests:
    """Services behind a host that nobody knows, so that no dialect was chosen."""

    @pytest.mark.parametrize("name", UNKNOWN)
    @pytest_twisted.ensureDeferred
    async def test_learns(self, services: Services, name: str) -> None:
        """Each refusal teaches a lesson that is learned once; the client hears of none, and all goes on."""
        service = services.start(MAKERS[name]())
        service.taken_for = "generic"
        service.overrides = {}
        talk = Conversation()
        async with bridge(services.reactor, services.config) as client:
            talk.asks("Compare one.txt and two.txt.")
            for said in (BOTH, DIFF, THIRD):
                talk.gives_results(await talk.turn(client, service, said, stream=True), reminder=said is BOTH)
            await talk.turn(client, service, EQUAL, stream=False)
            talk.asks("Sure?")
            await talk.turn(client, service, ONE_LINE, stream=True)
        assert len(service.refused) == len(UNKNOWN[name])
        assert all(words in told for words, told in zip(UNKNOWN[name], service.refused, strict=True))
        check_all_is_there(talk, service)


HALF = ModelTurn(thought="One", calls=(read("/a.txt"), read("/b.txt")))
CUT = ModelTurn(thought="I wonder whether", cut=True)


@pytest.mark.parametrize("name", MAKERS)
class InterruptedTests:
    """Conversations that did not go as they should have."""

    @pytest_twisted.ensureDeferred
    async def test_interrupted(self, services: Services, name: str) -> None:
        """The user stops the tools, answers are cut while the model thinks, and all goes on: nothing is refused."""
        service = services.start(MAKERS[name]())
        talk = Conversation()
        talk.asks("Look.")
        message = await services.turn(talk, service, HALF, stream=True)
        talk.gives_results(message, words="[Request interrupted by user]", missing=1)
        await services.turn(talk, service, CUT, stream=False)
        talk.asks("Resume directly.")
        message = await services.turn(talk, service, HALF, stream=True)
        talk.gives_results(message, missing=2, words="[Request interrupted by user]")
        await services.turn(talk, service, EQUAL, stream=False)
        assert service.refused == []
        check_all_is_there(talk, service)


@pytest.mark.parametrize("alternating", [False, True])
class SystemMessageTests:
    """System messages after tool results, and a template that takes them nowhere but at the beginning."""

    @pytest.mark.parametrize("policy", ["fold", "leading"])
    @pytest_twisted.ensureDeferred
    async def test_obeys(self, services: Services, policy: str, alternating: bool) -> None:
        """Folded or joined to the first one they arrive without a refusal."""
        overrides = {"system_messages": policy, "alternate": "yes" if alternating else "no"}
        service = services.start(Vllm(alternating=alternating, overrides=overrides))
        talk = await loop(services, service, stream=True)
        assert service.refused == []
        check_all_is_there(talk, service, notes=policy == "fold")
        if policy == "leading":
            first = spoken(service.accepted[-1]["messages"][0])
            assert all(note in first for note in talk.notes)

    @pytest_twisted.ensureDeferred
    async def test_inline(self, services: Services, alternating: bool) -> None:
        """Left in their place they are refused, and the bridge finds the way around by itself."""
        overrides = {"system_messages": "inline", "alternate": "yes" if alternating else "no"}
        service = services.start(Vllm(alternating=alternating, overrides=overrides))
        talk = await loop(services, service, stream=True)
        assert service.refused == [] if alternating else service.refused == [FIRST] * 5
        assert len(service.accepted) == 5
        check_all_is_there(talk, service)

    @pytest_twisted.ensureDeferred
    async def test_reject(self, services: Services, alternating: bool) -> None:
        """Rejected, the client hears the word by which it folds them itself, and goes on."""
        overrides = {"system_messages": "reject", "alternate": "yes" if alternating else "no"}
        service = services.start(Vllm(alternating=alternating, overrides=overrides))
        talk = Conversation()
        talk.asks("Compare one.txt and two.txt.")
        talk.gives_results(await services.turn(talk, service, BOTH, stream=True))
        talk.told_by_system("Files were changed meanwhile.")
        reply = await services.ask(talk.request(service.model, stream=True))
        assert reply.status == 400
        assert reply.json["error"]["message"].startswith("capability_rejected: mid_conv_system")
        talk.folds_system_messages()
        await services.turn(talk, service, ONE_LINE, stream=True)
        assert service.refused == []
        check_all_is_there(talk, service)


CHOICES: Mapping[str, dict[str, Any]] = {
    "any": {"tool_choice": {"type": "any"}},
    "a tool": {"tool_choice": {"type": "tool", "name": "Read"}},
    "one at a time": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    "none": {"tool_choice": {"type": "none"}},
    "a tool, no thinking": {"tool_choice": {"type": "tool", "name": "Read"}, "thinking": {"type": "disabled"}},
    "no thinking": {"thinking": {"type": "disabled"}, "output_config": {}},
    "the most thinking": {"output_config": {"effort": "max"}},
    "a budget": {"thinking": {"type": "enabled", "budget_tokens": 4000}, "output_config": {}},
    "no tools": {"tools": []},
    "every field": {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["END"], "max_tokens": 300},
}
TITLE = json.loads((FIXTURES / "16-title-json-schema.json").read_bytes())["body"]
CLASSIFIER = json.loads((FIXTURES / "22-auto-mode-local-classifier.json").read_bytes())["body"]


@pytest.mark.parametrize("name", MAKERS)
class FieldTests:
    """What a client may ask for, in the middle of a conversation with tools and thinking."""

    @pytest_twisted.ensureDeferred
    async def test_fields(self, services: Services, name: str) -> None:
        """Whatever is asked for, it is asked for in a way that the service takes."""
        service = services.start(MAKERS[name]())
        talk = await begin(services, service, stream=True)
        async with bridge(services.reactor, services.config) as client:
            for asked, fields in CHOICES.items():
                service.says.append(THIRD)
                reply = await client.post(MESSAGES, talk.request(service.model, stream=False, **fields))
                assert (asked, reply.status, service.refused) == (asked, 200, [])

    @pytest_twisted.ensureDeferred
    async def test_helpers(self, services: Services, name: str) -> None:
        """Requests that the client makes for itself are answered: a title in JSON, a verdict without thinking."""
        service = services.start(MAKERS[name]())
        async with bridge(services.reactor, services.config) as client:
            service.says += [ModelTurn(text='{"title": "Greetings"}'), ModelTurn(text="low")]
            for request in (TITLE, CLASSIFIER):
                reply = await client.post(MESSAGES, {**request, "model": service.model, "stream": False})
                assert (reply.status, service.refused) == (200, [])


ORDERS = {
    "forward": list(MAKERS),
    "backward": list(MAKERS)[::-1],
    "mixed": [*list(MAKERS)[1::2], *list(MAKERS)[::2]],
    "of the issue": ["deepseek-v4", "gemini", "mistral", "openai", "kimi-k2.5", "deepseek-v4"],
}


class MoveTests:
    """One conversation that moves from service to service."""

    @pytest.mark.parametrize("order", ORDERS)
    @pytest_twisted.ensureDeferred
    async def test_moves(self, services: Services, order: str) -> None:
        """In the middle of a tool loop and after it, twice around: nothing is refused, and nothing is lost."""
        known = {name: services.start(MAKERS[name]()) for name in dict.fromkeys(ORDERS[order])}
        talk = Conversation()
        for lap in (1, 2):
            talk.asks(f"Look into all files, lap {lap}.")
            for number, name in enumerate(ORDERS[order]):
                service = known[name]
                said = ModelTurn(thought=f"{name} thinks, {lap}.", calls=(read(f"/{number}/{lap}.txt"),))
                message = await services.turn(talk, service, said, stream=number % 2 == lap % 2)
                check_all_is_there(talk, service)
                talk.gives_results(message, reminder=number % 3 == 0)
            last = known[ORDERS[order][-1]]
            await services.turn(
                talk, last, ModelTurn(thought=f"Done, {lap}.", text=f"That was lap {lap}."), stream=True
            )
        for service in known.values():
            assert service.refused == []
            check_thoughts(talk, service)
            check_signatures(service)
            check_switches(service)


@pytest.mark.parametrize("name", MAKERS)
class ArrivalTests:
    """A conversation that began with Anthropic's own API and another gateway."""

    @pytest_twisted.ensureDeferred
    async def test_arrives(self, services: Services, name: str) -> None:
        """Signatures of others, encrypted thinking and long ids do no harm; all that was said is there."""
        service = services.start(MAKERS[name]())
        talk = Conversation()
        talk.asks("Look into all files.")
        talk.came_from_elsewhere()
        talk.gives_results(await services.turn(talk, service, HALF, stream=True))
        await services.turn(talk, service, EQUAL, stream=True)
        assert service.refused == []
        assert "EqoBCk" not in json.dumps(service.accepted)
        check_all_is_there(talk, service)


GOOD: dict[str, str] = {}
"""A good request for each service, with calls and results; made once, for making it takes longer than its tests."""


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: f"{one.service}: {one.name}")
class RefusalTests:
    """The services themselves: those that could not refuse would prove nothing."""

    @pytest_twisted.ensureDeferred
    async def test_refuses(self, services: Services, breakage: Breakage) -> None:
        """A good request that is broken in one place is refused, in the real service's words."""
        service = services.start(MAKERS[breakage.service]())
        if breakage.service not in GOOD:
            await begin(services, service, stream=True)
            GOOD[breakage.service] = json.dumps(service.accepted[-1])
        request = json.loads(GOOD[breakage.service])
        service.says += [ONE_LINE, ONE_LINE]
        assert (await services.ask_directly(service, request)).status == 200
        breakage.broken(request)
        reply = await services.ask_directly(service, request)
        assert reply.status == breakage.status
        assert breakage.words in reply.body.decode()
        assert len(service.refused) == 1


class DaemonTests:
    """The daemon itself, as a user runs it."""

    @pytest_twisted.ensureDeferred
    async def test_restarted(self, reactor: Any, services: Services, start_daemon: StartDaemon) -> None:
        """A conversation goes on with a new process each time, and from DeepSeek to Gemini, Kimi and Mistral."""
        known = [services.start(MAKERS[name]()) for name in ("deepseek-v4", "gemini", "kimi-k2.5", "mistral")]
        talk = Conversation()
        talk.asks("Compare all files.")
        for number, service in enumerate([*known, known[0]]):
            daemon = await start_daemon(config=services.config)
            said = ModelTurn(thought=f"Number {number}.", calls=(read(f"/{number}.txt"), read(f"/{number}.old")))
            message = await talk.turn(client_of(reactor, daemon), service, said, stream=number % 2 == 0)
            check_all_is_there(talk, service)
            talk.gives_results(message, reminder=True)
            await daemon.stop()
        for service in known:
            assert service.refused == []
            check_thoughts(talk, service)
            check_signatures(service)
