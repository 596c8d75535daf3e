"""Promises of the check of the model's name."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.testing.chat import error
from tests.doctor.stand_ins import (
    NAME,
    NO_SUCH_PATH,
    entry,
    examination_of,
    examined,
    first,
    of,
    served,
    sometimes,
    wrong,
)


def section(name: str, alias: str = "mine") -> str:
    """Return the section of a model."""
    return f"[model:{alias}]\nname = {name}"


class ModelTests:
    """The name is looked up in the list as the bridge would look."""

    @pytest_twisted.ensureDeferred
    async def test_listed(self, reactor: Any) -> None:
        """A model that is there under its name is a good one."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, more=section(NAME))
        assert wrong(findings) == []
        assert of(findings, 4).sentence == "test-model is listed"

    @pytest_twisted.ensureDeferred
    async def test_case(self, reactor: Any) -> None:
        """A name in another case works, as the bridge spells it as the list does; the line to write is told."""
        async with served(reactor, models=["Test-Model", "Other"]) as server:
            findings = await examined(reactor, server.url, more=section("test-model"))
        assert first(findings).number == 4
        assert first(findings).level == "warning"
        assert "in another case" in first(findings).sentence
        assert (first(findings).subject, first(findings).option) == ("model:mine", "name = Test-Model")

    @pytest_twisted.ensureDeferred
    async def test_unknown(self, reactor: Any) -> None:
        """A name that is not there is told with the nearest that are, and that it is refused."""
        names = ["zai-org/GLM-4.5-Air", "Qwen/Qwen3-Coder"]
        async with served(reactor, models=names) as server:
            findings = await examined(reactor, server.url, more=section("glm-4.5-air"))
        assert wrong(findings) == [(4, "warning"), (8, "fault")]
        assert first(findings).option == "name = zai-org/GLM-4.5-Air"
        assert findings[-1].number == 8

    @pytest_twisted.ensureDeferred
    async def test_one_cure(self, reactor: Any) -> None:
        """The refused question names no second cure beside that of the name."""
        async with served(reactor, models=["glm-4.5-air"]) as server:
            findings = await examined(reactor, server.url, more=section("glm-4.5"))
        assert findings[-1].sentence == ("a short question is refused, as there is no model glm-4.5: see `model` above")

    @pytest_twisted.ensureDeferred
    async def test_cure_without_a_list(self, reactor: Any) -> None:
        """Where there is no list, the line of the model's section is the cure."""
        pages = {("GET", "*"): NO_SUCH_PATH}
        async with served(reactor, models=["glm-4.5-air"], pages=pages) as server:
            findings = await examined(reactor, server.url, more=section("glm-4.5"))
        assert "Set `name` in [model:mine] of the bridge's configuration" in findings[-1].sentence
        assert "[route:default]" not in findings[-1].sentence

    @pytest_twisted.ensureDeferred
    async def test_unlisted_and_taken(self, reactor: Any) -> None:
        """A server may take names that it does not list: then it works."""
        async with served(reactor, models=["other"], strict=False) as server:
            findings = await examined(reactor, server.url, more=section("hidden"))
        assert wrong(findings) == [(4, "warning")]
        assert findings[-1].number == 17

    @pytest_twisted.ensureDeferred
    async def test_tag(self, reactor: Any) -> None:
        """Ollama's default tag need not be written, and may be."""
        listed = [entry("qwen3:latest", "library", context_length=65_536)]
        async with served(reactor, listed=listed, strict=False) as server:
            findings = await examined(reactor, server.url, more=section("qwen3"))
        assert wrong(findings) == []
        assert of(findings, 4).sentence == "qwen3 is listed with a tag, as qwen3:latest"

    @pytest_twisted.ensureDeferred
    async def test_server_that_takes_any_name(self, reactor: Any) -> None:
        """llama.cpp answers with its model whatever it is called."""
        listed = [entry("/models/qwen.gguf", "llamacpp", meta={"n_ctx": 65_536})]
        async with served(reactor, listed=listed, strict=False) as server:
            findings = await examined(reactor, server.url, more=section("qwen"))
        assert wrong(findings) == []

    @pytest_twisted.ensureDeferred
    async def test_second_model(self, reactor: Any) -> None:
        """A second model that is not there is told, and the first is examined all the same."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, more=f"{section(NAME)}\n{section('gone', 'other')}")
        assert wrong(findings) == [(4, "warning")]
        assert findings[-1].number == 17

    @pytest_twisted.ensureDeferred
    async def test_none_named(self, reactor: Any) -> None:
        """Of several models nobody has chosen one: that none was examined is said, with how to name one."""
        async with served(reactor, models=["a", "b"]) as server:
            findings = await examined(reactor, server.url)
            chosen = await examined(reactor, server.url, model="b")
        assert wrong(findings) == [(4, "warning")]
        assert findings[-1].sentence == "no model was examined: there are a, b; name one, as in --model a"
        assert wrong(chosen) == []
        assert chosen[-1].number == 17


class RoutedTests:
    """A model that only a route names, as ``backend/model``."""

    @pytest_twisted.ensureDeferred
    async def test_missing(self, reactor: Any) -> None:
        """One that is not there is told with the line to write; what is there is examined."""
        route = "[route:default]\nmodels = mine, tower/gpt-4o, x"
        more = f"{section(NAME)}\n{section(NAME, 'x')}\n{route}"
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, more=more)
        assert wrong(findings) == [(4, "warning")]
        assert first(findings).sentence == (
            "gpt-4o is not in the list; there are test-model: set `models = mine, tower/test-model, x` in "
            "[route:default]"
        )
        assert (first(findings).subject, first(findings).option) == (
            "route:default",
            "models = mine, tower/test-model, x",
        )
        assert findings[-1].number == 17

    @pytest_twisted.ensureDeferred
    async def test_examined(self, reactor: Any) -> None:
        """Without a section the first that is there is examined, of several that the server has."""
        more = "[route:default]\nmodels = tower/gone, tower/b"
        async with served(reactor, models=["a", "b"]) as server:
            findings = await examined(reactor, server.url, more=more)
        assert wrong(findings) == [(4, "warning")]
        assert of(findings, 4).sentence == "b is listed"
        assert findings[-1].number == 17

    @pytest_twisted.ensureDeferred
    async def test_examined_instead(self, reactor: Any) -> None:
        """Where none of them is there, the only model that is there is examined."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, more="[route:default]\nmodels = tower/gone")
        assert wrong(findings) == [(4, "warning")]
        assert of(findings, 4).sentence == "test-model is examined instead, as it is the only one"
        assert findings[-1].number == 17


class WantedTests:
    """A model that only the command line names."""

    @pytest_twisted.ensureDeferred
    async def test_slip_of_the_pen(self, reactor: Any) -> None:
        """A name that is nowhere is told with the nearest, and no line makes an alias of it."""
        refusal = error(400, {"message": "Invalid schema for function 'edit_file': anyOf is not supported"})
        script = sometimes(lambda body: "$defs" in str(body.get("tools")), refusal)
        async with served(reactor, script, models=["glm-4.5-air", "qwen"], strict=False) as server:
            findings = await examined(reactor, server.url, model="glm-4.5-iar")
        assert first(findings).number == 4
        assert first(findings).sentence.endswith("perhaps --model glm-4.5-air")
        assert (14, "warning") in wrong(findings)
        assert [each.option for each in findings if each.option] == []

    @pytest_twisted.ensureDeferred
    async def test_case(self, reactor: Any) -> None:
        """A name in another case is examined as the list spells it, and lines are for that."""
        async with served(reactor, listed=[entry("Test-Model", max_model_len=32_768)], strict=False) as server:
            examination = await examination_of(reactor, server.url, model="test-model")
        assert examination.findings[3].sentence == "test-model is listed, as Test-Model"
        assert examination.model_section == "model:Test-Model"

    @pytest_twisted.ensureDeferred
    async def test_no_list(self, reactor: Any) -> None:
        """Without a list nothing speaks against a name."""
        async with served(reactor, pages={("GET", "*"): NO_SUCH_PATH}) as server:
            findings = await examined(reactor, server.url, model=NAME)
        assert wrong(findings) == [(6, "warning")]
        assert first(findings).subject == f"model:{NAME}"
