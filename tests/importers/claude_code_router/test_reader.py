"""Files as users of Claude Code Router have them, invented keys apart: each becomes a configuration that does the same.

What each kind of request did is decided by `tests.importers.claude_code_router.old_router`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, frozen
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from claude_bridge.client.environment import settings
from claude_bridge.config.schema import Config
from claude_bridge.core import strict_json
from claude_bridge.importers.claude_code_router.json5_text import read_json5
from claude_bridge.importers.claude_code_router.reader import read_router
from claude_bridge.importers.command import mistakes_of
from claude_bridge.importers.ini_text import ini_text
from claude_bridge.importers.source import NotUsable, Source
from claude_bridge.testing.fakes import FixedFacts
from tests.importers.claude_code_router.old_router import chosen
from tests.importers.importing import import_to_file, import_to_output, loaded, models_for

CASES = Path(__file__).parent / "cases"

SECRET = "invented"
"""A part of each secret in the files."""


@frozen(kw_only=True)
class Case:
    """A file, and what comes of it.

    :ivar status: of the command.
    :ivar urls: provider -> the URL of its backend, for those that are carried over.
    :ivar lost: the places that are reported as not carried over, in order.
    :ivar environ: the variables that the result needs.
    :ivar like_before: whether the old program's rules decide where requests go; version 3 has others.
    """

    file: str
    urls: Mapping[str, str]
    status: int = 0
    lost: tuple[str, ...] = ()
    environ: Mapping[str, str] = Factory(dict)
    like_before: bool = True


OPENROUTER = "https://openrouter.ai/api/v1"
DEEPSEEK = "https://api.deepseek.com"

CASES_BY_NAME = (
    Case(file="commented", urls={"openrouter": OPENROUTER}),
    Case(file="windows", urls={"lmstudio": "http://192.168.1.20:1234/v1"}),
    Case(file="lowercase", urls={"Chutes": "https://llm.chutes.ai/v1"}),
    Case(
        file="everything",
        status=1,
        urls={
            "openrouter": OPENROUTER,
            "deepseek": DEEPSEEK,
            "ollama": "http://localhost:11434/v1",
            "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
            "modelscope": "https://api-inference.modelscope.cn/v1",
            "aihubmix": "https://aihubmix.com/v1",
        },
        lost=("Router.webSearch",),
    ),
    Case(
        file="variables",
        status=1,
        urls={
            "openai": "https://api.openai.com/v1",
            "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
            "box": "http://gpu-box:8000/v1",
            "tunnel": "https://tunnel.example/v1",
        },
        lost=("UNUSED_API_KEY",),
        environ={
            "GEMINI_API_KEY": "AIza-of-the-test",
            "CCR_APIKEY": "a-key-of-the-clients",
            "CORP_PROXY": "http://proxy.example:3128",
            "BOX": "gpu-box",
            "BOX_KEY": "of-the-box-1234",
            "TUNNEL_URL": "https://tunnel.example/v1",
        },
    ),
    Case(
        file="transformers",
        status=1,
        urls={"qwen": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "router": OPENROUTER},
        lost=(
            "Providers[0].transformer.use[5].temperature",
            "Providers[0].transformer.use[5].top_k",
            "Providers[0].transformer.use[6]",
            'Providers[0].transformer["qwen3-max"].use[2]',
            'Providers[0].transformer["qwen-vl-max"].use[0]',
            'Providers[0].transformer["qwen-vl-max"].use[1].enable_search',
            'Providers[1].transformer["moonshotai/kimi-k2"].use[0].provider',
            "Providers[2]",
            "transformers[0]",
        ),
    ),
    Case(
        file="addresses",
        status=1,
        urls={
            "slash": "https://api.mistral.ai/v1",
            "base": "https://api.groq.com/openai/v1",
            "bare": "https://ai.homelab.internal/v1",
            "native": "http://127.0.0.1:11434/v1",
            "anthropic": "https://api.anthropic.com",
            "zai": "https://api.z.ai/api/anthropic",
            "kimi": "https://api.moonshot.cn/anthropic",
            "responses": "https://api.openai.com/v1",
            "cloudflare": "https://gateway.ai.cloudflare.com/v1/1234/mine/openrouter/v1",
            "azure": "https://mine.openai.azure.com/openai/v1",
            "login": "https://llm.example.org/v1",
        },
        lost=("Providers[10].api_base_url", "Providers[11].api_base_url", "Providers[12].api_base_url"),
    ),
    Case(
        file="nowhere",
        status=1,
        urls={"gemini": "https://generativelanguage.googleapis.com/v1beta/openai"},
        lost=(
            "Providers[1]",
            "Router.image",
            "Router.webSearch",
            "Router.think",
            "Router.coding",
            "CUSTOM_ROUTER_PATH",
        ),
    ),
    Case(
        file="fallbacks",
        status=1,
        urls={"main": "https://llm.chutes.ai/v1", "spare": OPENROUTER},
        lost=("fallback.default[2]", "fallback.coding"),
    ),
    Case(
        file="pools",
        urls={"chutes": "https://llm.chutes.ai/v1", "still": "https://api.together.xyz/v1"},
        environ={"CHUTES_SECOND_KEY": "cpk_second_of_the_test"},
    ),
    Case(file="team", urls={"vllm": "http://gpu.lan:8000/v1"}),
    Case(
        file="placeholders",
        status=1,
        lost=("HOST",),
        urls={
            "a": "http://127.0.0.1:8000/v1",
            "b": "http://127.0.0.1:8001/v1",
            "c": "https://api.example.com/v1",
            "d": "https://api.example.org/v1",
            "e": "https://api.example.net/v1",
            "f": "http://127.0.0.1:8002/v1",
            "g": "https://api.example.edu/v1",
        },
    ),
    Case(
        file="names",
        status=1,
        urls={
            "硅基流动": "https://api.siliconflow.cn/v1",
            "My Box": "http://127.0.0.1:8000/v1",
            "deepseek": DEEPSEEK,
            "openrouter": OPENROUTER,
            "Deepseek": "https://ark.cn-beijing.volces.com/api/v3",
        },
        lost=("Router.webSearch",),
    ),
    Case(
        file="proxy",
        status=1,
        urls={"far": "https://api.together.xyz/v1", "near": "http://localhost:8000/v1"},
        lost=(
            "Providers[0].color",
            "CLAUDE_PATH",
            "REWRITE_SYSTEM_PROMPT",
            "forceUseImageAgent",
            "plugins",
            "mine",
        ),
    ),
    Case(
        file="no_default",
        status=1,
        urls={"ollama": "https://ai.homelab.internal/v1"},
        lost=("Router.think",),
    ),
    Case(
        file="preset", urls={"openai": "https://api.openai.com/v1"}, environ={"OPENAI_API_KEY": "sk-typed-by-a-person"}
    ),
    Case(
        file="version3",
        status=1,
        urls={"OpenAI": "https://api.openai.com/v1", "Z.ai": "https://api.z.ai/api/anthropic"},
        lost=(
            "Providers[1].extraHeaders.Authorization",
            "Providers[1].extraBody",
            "Router.rules[0].rewrites[1]",
            "Router.rules[2].condition",
            "Router.rules[3]",
            "APIKEYS[0].expiresAt",
            "toolHub",
        ),
        like_before=False,
    ),
    Case(file="version3_export", urls={"box": "http://127.0.0.1:8000/v1"}, like_before=False),
)

IDS = [case.file for case in CASES_BY_NAME]


def path_of(case: Case) -> Path:
    """Return the file of a case."""
    return CASES / f"{case.file}.json"


def content(case: Case) -> Mapping[str, Any]:
    """Return what is in the file of a case."""
    found: Mapping[str, Any] = read_json5(path_of(case).read_text(encoding="utf-8-sig"), "config.json")
    return found


def requests() -> Iterator[tuple[str, FixedFacts]]:
    """Yield names and facts of all kinds of requests, and all mixtures of them."""
    names = ("claude-sonnet-4-6", "claude-haiku-4-5-20251001", "auto")
    for name, tokens, search, thinking, image in product(
        names, (1_000, 70_000, 500_000), (False, True), (None, 4_000), (False, True)
    ):
        is_side_job = "haiku" in name
        yield (
            name,
            FixedFacts(
                background="tier haiku" if is_side_job else "",
                tokens=tokens,
                web_search=search,
                thinking_budget=thinking,
                effort="medium" if thinking else None,
                image=image,
            ),
        )


@pytest.fixture(params=CASES_BY_NAME, ids=IDS)
def case(request: pytest.FixtureRequest) -> Case:
    """Return each case in turn."""
    found: Case = request.param
    return found


class CaseTests:
    """Every file."""

    def test_check_config_accepts_the_result(self, case: Case, tmp_path: Path) -> None:
        """The result is valid with the variables that the file itself names, and has each provider's address."""
        result = import_to_file(path_of(case), tmp_path / "new.ini")
        assert result.status == case.status, result.told
        config = loaded(tmp_path / "new.ini", case.environ)
        assert sorted(backend.url for backend in config.backends.values()) == sorted(case.urls.values())

    def test_what_is_lost_is_reported_once(self, case: Case, tmp_path: Path) -> None:
        """Each place stands in the report exactly once, and the status says whether there is any."""
        told = import_to_file(path_of(case), tmp_path / "new.ini").told
        assert ("not carried over:" in told) == bool(case.lost)
        lost = told.partition("not carried over:\n")[2].partition("different here:\n")[0]
        for place in case.lost:
            assert lost.count(f"{place}:") + lost.count(f"{place},") == 1, place
        waiting = [line for line in lost.splitlines() if "has to wait" in line]
        places = sum(line.partition(": ")[0].count(", ") + 1 for line in lost.splitlines())
        assert places - len(waiting) == len(case.lost), lost

    def test_the_bytes_are_the_same_each_time(self, case: Case, tmp_path: Path) -> None:
        """Importing twice gives the same file, and the same text on standard output."""
        first = import_to_file(path_of(case), tmp_path / "a.ini").text
        assert import_to_file(path_of(case), tmp_path / "b.ini").text == first
        assert import_to_output(path_of(case)).text == import_to_output(path_of(case)).text

    def test_no_secret_is_shown(self, case: Case, tmp_path: Path) -> None:
        """Written-out secrets are in the file alone, which nobody else can read."""
        result = import_to_file(path_of(case), tmp_path / "new.ini")
        assert SECRET not in result.told
        assert (tmp_path / "new.ini").stat().st_mode & 0o777 == 0o600
        shown = import_to_output(path_of(case))
        assert SECRET not in shown.text + shown.told

    def test_the_text_for_the_terminal_is_valid_too(self, case: Case, tmp_path: Path) -> None:
        """With the variables set that its comments name, it is the same configuration."""
        import_to_file(path_of(case), tmp_path / "new.ini")
        shown = import_to_output(path_of(case))
        named = [line.strip().partition(":")[0] for line in shown.told.partition("to set")[2].splitlines()[1:]]
        environ = {name: f"https://{name}.example" for name in named if name.replace("_", "").isalnum()}
        environ |= {"PROXY_URL": "http://127.0.0.1:3128", **case.environ}
        (tmp_path / "shown.ini").write_text(shown.text, encoding="utf-8")
        config = loaded(tmp_path / "shown.ini", environ)
        assert config.routes == loaded(tmp_path / "new.ini", case.environ).routes

    def test_each_kind_of_request_goes_where_it_went(self, case: Case, tmp_path: Path) -> None:
        """Whatever kinds a request is of at once, it reaches the model to which the old program sent it."""
        if not case.like_before:
            pytest.skip("version 3 has other rules")
        import_to_file(path_of(case), tmp_path / "new.ini")
        config, compared = loaded(tmp_path / "new.ini", case.environ), 0
        for name, facts in requests():
            before = chosen(content(case), name, facts)
            if before is None:
                continue
            compared += 1
            assert models_for(config, name, facts)[0] == (case.urls[before[0]], before[1]), (name, facts)
        assert compared or case.file == "preset"

    def test_models_are_chosen_by_hand_as_before(self, case: Case, tmp_path: Path) -> None:
        """``/model provider,model`` means the same, where the provider could keep its name."""
        import_to_file(path_of(case), tmp_path / "new.ini")
        config = loaded(tmp_path / "new.ini", case.environ)
        for model in config.models.values():
            typed = f"{model.backend},{model.name}"
            assert models_for(config, typed, FixedFacts()) == [(config.backends[model.backend].url, model.name)]


def imported(name: str, tmp_path: Path, *, keep_port: bool = False) -> Config:
    """Return the configuration that comes of a case."""
    (case,) = [each for each in CASES_BY_NAME if each.file == name]
    import_to_file(path_of(case), tmp_path / "new.ini", keep_port=keep_port)
    return loaded(tmp_path / "new.ini", case.environ)


class DetailTests:
    """What single files are there for."""

    def test_version_3_routes(self, tmp_path: Path) -> None:
        """Rules come first, then the families of a profile; its model is the default, and stand-ins are kept."""
        config = imported("version3", tmp_path)
        openai, zai = "https://api.openai.com/v1", "https://api.z.ai/api/anthropic"
        nothing = FixedFacts()
        assert models_for(config, "gemini-2.5-pro", nothing) == [(openai, "gpt-5.2-codex"), (zai, "glm-4.5-air")]
        assert models_for(config, "auto", FixedFacts(image=True)) == [(openai, "gpt-5.2-codex")]
        assert models_for(config, "claude-haiku-4-5", nothing) == [(zai, "glm-4.5-air")]
        assert models_for(config, "claude-sonnet-4-6", nothing) == [(zai, "glm-4.6"), (zai, "glm-4.5-air")]

    def test_version_3_keys(self, tmp_path: Path) -> None:
        """Keys keep their limits; one on the tokens of a day is a budget."""
        config = imported("version3", tmp_path)
        assert {name: (key.rpm, key.tpm) for name, key in config.keys.items()} == {
            "Alice": (60, 200_000),
            "k2": (None, None),
        }
        (budget,) = config.budgets.values()
        assert (str(budget.for_), budget.tokens, budget.per) == ("key Alice", 1_000_000, "day")

    def test_version_3_export(self, tmp_path: Path) -> None:
        """What its window exports is read like its settings."""
        config = imported("version3_export", tmp_path)
        box = "http://127.0.0.1:8000/v1"
        assert models_for(config, "claude-opus-4-8", FixedFacts()) == [(box, "glm")]
        assert models_for(config, "claude-sonnet-4-6", FixedFacts()) == [(box, "air")]

    def test_version_3_models(self, tmp_path: Path) -> None:
        """Windows, limits, labels and prices are kept."""
        config = imported("version3", tmp_path)
        model = config.models["gpt-5.2-codex"]
        assert (model.label, model.context_window, model.max_output_tokens) == ("Codex", 400_000, 128_000)
        price = config.prices["gpt-5.2-codex"]
        assert [str(each) for each in (price.input, price.output, price.cache_read)] == ["1.75", "14", "0.175"]

    def test_pools(self, tmp_path: Path) -> None:
        """Keys are kept with their options, each once, and so is the way to choose one."""
        config = imported("pools", tmp_path)
        chutes = config.backends["chutes"]
        secrets = [key.secret.reveal() if key.secret else "" for key in chutes.api_key]
        assert secrets == ["cpk_invented_pool_first", "cpk_second_of_the_test", "cpk_invented_pool_third"]
        assert [key.weight for key in chutes.api_key] == [1, 1, 3]
        assert (chutes.key_strategy, config.backends["still"].key_strategy) == ("least_used", "fill_first")

    def test_fallbacks(self, tmp_path: Path) -> None:
        """The models of ``fallback`` follow that of the route, each once."""
        config = imported("fallbacks", tmp_path)
        chutes, nothing = "https://llm.chutes.ai/v1", FixedFacts()
        assert models_for(config, "auto", nothing) == [(chutes, "glm"), (OPENROUTER, "deepseek/deepseek-v3.2")]
        assert models_for(config, "haiku", FixedFacts(background="x")) == [
            (chutes, "kimi"),
            (OPENROUTER, "deepseek/deepseek-v3.2"),
        ]
        assert models_for(config, "auto", FixedFacts(effort="high")) == [(chutes, "glm")]

    def test_team(self, tmp_path: Path) -> None:
        """The address of the old program is taken over on request, with the key that it asked for."""
        config = imported("team", tmp_path, keep_port=True)
        assert config.server.listen[0].startswith("tcp:4000:interface=0.0.0.0:")
        assert config.server.credentials == "keys"
        (key,) = config.keys.values()
        assert key.secret is not None
        assert key.secret.reveal() == "invented-key-of-the-team"

    def test_own_port(self, tmp_path: Path) -> None:
        """Without the request the bridge listens where it always does."""
        assert imported("team", tmp_path).server.listen[0].startswith("tcp:8080:interface=127.0.0.1:")

    def test_nobody_is_let_in_by_a_placeholder(self, tmp_path: Path) -> None:
        """A key that anybody can guess is none, and then only this machine is served."""
        config = imported("placeholders", tmp_path, keep_port=True)
        assert config.server.listen[0].startswith("tcp:3456:interface=127.0.0.1:")
        assert (config.server.credentials, dict(config.keys)) == ("none", {})
        assert not any(backend.api_key for backend in config.backends.values())

    def test_proxy(self, tmp_path: Path) -> None:
        """The proxy is that of every backend beyond this machine, with its password."""
        config = imported("proxy", tmp_path)
        server = config.backends["far"].proxy.server
        assert server is not None
        assert (server.host, server.port, server.user) == ("proxy.example.com", 3128, "me")
        assert server.password is not None
        assert server.password.reveal() == "invented#password"
        assert config.backends["near"].proxy.server is None

    def test_variables(self, tmp_path: Path) -> None:
        """A variable that the file itself sets is replaced, any other is referred to."""
        config = imported("variables", tmp_path)
        keys = {name: each.api_key[0].secret for name, each in config.backends.items()}
        assert {name: key.reveal() for name, key in keys.items() if key} == {
            "openai": "sk-invented-at-the-top",
            "gemini": "AIza-of-the-test",
            "box": "sk-of-the-box-1234",
            "tunnel": "a$5-invented-dollar",
        }
        assert "${GEMINI_API_KEY}" in (tmp_path / "new.ini").read_text()

    def test_transformers(self, tmp_path: Path) -> None:
        """Limits of answers are those of the model, the smallest where there are several."""
        models = imported("transformers", tmp_path).models
        limits = {name: model.max_output_tokens for name, model in models.items()}
        assert limits == {
            "qwen3-coder-plus": 65_536,
            "qwen3-max": 32_768,
            "qwen-vl-max": 65_536,
            "qwen-elsewhere": 65_536,
            "moonshotai/kimi-k2": None,
        }
        assert models["qwen3-max"].max_tokens_field == "max_completion_tokens"

    def test_kinds(self, tmp_path: Path) -> None:
        """A backend speaks what its address and its transformer say."""
        kinds = {name: each.kind for name, each in imported("addresses", tmp_path).backends.items()}
        others = {name: kind for name, kind in kinds.items() if kind != "openai"}
        assert others == {"anthropic": "anthropic", "zai": "anthropic", "kimi": "anthropic", "responses": "responses"}

    def test_clients_names_stay_free(self, tmp_path: Path) -> None:
        """A model that is called like one of Claude Code's own gets another name: its requests would not be routed."""
        config = imported("names", tmp_path)
        assert not any("claude" in name for name in config.models)
        typed = models_for(config, "deepseek,claude-haiku-4-5", FixedFacts())
        assert typed == [("https://api.deepseek.com", "claude-haiku-4-5")]
        assert "as in /model deepseek,NAME:\n#   claude-haiku-4-5\n" in (tmp_path / "new.ini").read_text()

    @pytest.mark.parametrize("name", ["everything", "variables", "addresses", "names"])
    def test_families_are_routed(self, name: str, tmp_path: Path) -> None:
        """`claude-bridge launch` has each family ask for what the routes decide, as before."""
        config = imported(name, tmp_path)
        named = {each.name: each.value for each in settings(config, "http://127.0.0.1:8080")}
        families = {named[f"ANTHROPIC_DEFAULT_{each}_MODEL"] for each in ("OPUS", "SONNET", "HAIKU", "FABLE")}
        assert families == {"auto@claude-bridge"}

    def test_limits_of_time(self, tmp_path: Path) -> None:
        """``API_TIMEOUT_MS`` limits the wait for an answer, and the log's level is kept."""
        config = imported("lowercase", tmp_path)
        assert config.backends["Chutes"].first_byte_timeout == 1200.0
        assert config.log.level == "warn"


class NotUsableTests:
    """Files with nothing to carry over."""

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('{"Router": {"default": "a,b"}}', "a project's own routes have no counterpart"),
            ("{Providers: []}", "has no Providers: version 3 keeps them in its database"),
            ("[1]", "holds no object"),
            ('{\n"Providers": [\n{"name": "secret"', "not JSON5"),
            ('{\n"Providers": [\n"secret" "secret"]}', "look at line 3"),
        ],
    )
    def test_said(self, text: str, told: str) -> None:
        """It is said what to do, and nothing of the file is shown."""
        with pytest.raises(NotUsable, match=told) as caught:
            read_router(Source(text=text, path="x", read=lambda _path: b""))
        assert "secret" not in str(caught.value)

    def test_no_address(self, tmp_path: Path) -> None:
        """A file whose providers all lack an address has no result, and each is named."""
        source = tmp_path / "config.json"
        source.write_text('{"Providers": [{"name": "a", "api_key": "sk-invented-key-1", "models": ["m"]}]}')
        result = import_to_file(source, tmp_path / "new.ini")
        assert (result.status, result.text) == (2, "")
        assert "has no backend that could be carried over\n  Providers[0].api_base_url: no address" in result.told


WORDS = [
    "box",
    "box,m",
    "box/m",
    "m",
    "claude-haiku-4-5",
    "a b",
    "x # y",
    '"q"',
    "$X",
    "${X}",
    "sk-invented-1",
    "EMPTY",
    "",
]
URLS = ["http://127.0.0.1:8000/v1", "https://x.example/v1/messages", "https://a:b@c/?d#e", "http://[", "${U}/v1", "x"]
LEAVES = st.one_of(st.sampled_from([*WORDS, *URLS]), st.text(max_size=8), st.integers(), st.booleans(), st.none())
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
)


def some(words: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Generate objects with some of the keys that are read, each as it should be or with anything."""
    return st.fixed_dictionaries({}, optional={name: value | ANYTHING for name, value in words.items()})


USE = st.lists(
    st.sampled_from(["Anthropic", "mine", "reasoning"]) | st.tuples(st.just("maxtoken"), ANYTHING), max_size=2
)
PROVIDERS = some(
    {
        "name": st.sampled_from(["box", "Box", "我", "a b"]),
        "api_base_url": st.sampled_from(URLS),
        "api_key": st.sampled_from(WORDS),
        "api_keys": st.lists(ANYTHING, max_size=3),
        "models": st.lists(st.sampled_from(WORDS) | ANYTHING, max_size=3),
        "transformer": some({"use": USE, "m": some({"use": USE})}),
        "extraHeaders": ANYTHING,
        "modelMetadata": some({"m": some({"contextWindow": ANYTHING, "pricing": ANYTHING})}),
        "modelDisplayNames": ANYTHING,
        "capabilities": st.lists(ANYTHING, max_size=2),
    }
)
FILES = some(
    {
        "Providers": st.lists(PROVIDERS, max_size=3),
        "Router": some(
            dict.fromkeys(("default", "think", "image", "longContext", "webSearch", "x"), st.sampled_from(WORDS))
            | {"longContextThreshold": ANYTHING, "rules": st.lists(ANYTHING, max_size=2), "fallback": ANYTHING}
        ),
        "fallback": some({"default": st.lists(st.sampled_from(WORDS), max_size=3), "think": ANYTHING}),
        **dict.fromkeys(("HOST", "PORT", "APIKEY", "APIKEYS", "PROXY_URL", "API_TIMEOUT_MS", "LOG_LEVEL"), ANYTHING),
        **dict.fromkeys(("profile", "gateway", "transformers", "StatusLine", "X"), ANYTHING),
    }
)


@given(FILES, st.booleans(), st.booleans())
@settings_of_hypothesis(deadline=None)
def test_any_file(data: dict[str, Any], keep_port: bool, with_secrets: bool) -> None:
    """Whatever stands where, the result is valid, or there is none and it is said why."""
    source = Source(text=strict_json.encode(data).decode(), path="x", read=lambda _path: b"", keep_port=keep_port)
    try:
        draft = read_router(source)
    except NotUsable:
        return
    written = ini_text(draft, with_secrets=with_secrets)
    if draft.backends:
        assert mistakes_of(written) == [], written.text
