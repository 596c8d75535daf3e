"""The configuration as text."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.dump import dump
from claude_bridge.config.load import parse
from claude_bridge.config.price_values import PriceTier
from claude_bridge.config.proxy import proxy
from claude_bridge.config.schema import (
    Backend,
    BreakerConfig,
    Budget,
    Config,
    Ledger,
    Limits,
    Log,
    Model,
    ModelPrice,
    Route,
    Server,
    WebSearch,
)
from claude_bridge.config.secret import Secret, hash_of
from claude_bridge.config.sections import KINDS
from claude_bridge.core.backend_api import DialectDecision
from claude_bridge.core.budgets import Scope
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.traits import RequestField
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.prices import PARTS
from claude_bridge.core.routing import DEFAULT, Condition
from tests.config.files import config_of, mistakes, reading

SECONDS = st.floats(0.001, 86_400, allow_nan=False)
LEVELS: list[tuple[ReasoningLevel, ...] | None] = [None, (), ("none",), ("low", "high")]
DROPPED: list[tuple[RequestField, ...] | None] = [None, (), ("stop",), ("temperature", "top_p")]
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
WORD = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12).filter(
    lambda t: t[0] not in "#;"
)
SERVER = st.builds(
    Server,
    listen=st.lists(
        st.sampled_from(["tcp:1:interface=127.0.0.1", r"tcp:2:interface=\:\:1", "unix:/a b.sock"]), min_size=1
    ).map(tuple),
    credentials=st.sampled_from(["forward", "none"]),
    allow_open=st.booleans(),
    allowed_hosts=st.lists(NAME, max_size=2).map(lambda names: tuple(f"h{name}h" for name in names)),
    allowed_origins=st.lists(NAME, max_size=2).map(lambda names: tuple(f"http://{name}" for name in names)),
    list_backend_models=st.none() | st.booleans(),
    check_backends=st.booleans(),
    commit_after=st.floats(0, 86_400),
    ping_interval=SECONDS,
    state_dir=st.sampled_from([None, "none", "/var/lib/$x y"]),
)
HEADER = st.tuples(
    st.sampled_from(["X-Title", "HTTP-Referer", "x-a!#$%&'*+.^_`|~-"]),
    st.sampled_from(["", "a", "$5 ${x}", "a  b; c: d"]),
)
BACKEND = st.builds(
    Backend,
    name=NAME,
    url=st.sampled_from(["http://127.0.0.1:8000/v1", "https://x.example/$a/v4"]),
    dialect=st.sampled_from(["auto", "generic"]),
    key_strategy=st.sampled_from(["fill_first", "round_robin", "least_used"]),
    idle_timeout=st.none() | SECONDS,
    max_connections=st.integers(1, 10_000),
    max_streams=st.integers(1, 100_000),
    max_queue=st.none() | st.integers(0, 100_000),
    queue_timeout=SECONDS,
    headers=st.lists(HEADER, max_size=3).map(tuple),
    proxy=st.sampled_from(["none", "http://proxy:3128", "http://$a%2F@[fd00::1]:80"]).map(proxy),
    strip_attribution=st.booleans(),
)
LIMITS = st.builds(Limits, max_body=st.integers(1, 1024**3), keep_alive=SECONDS)
LOG = st.builds(Log, level=st.sampled_from(["debug", "warn"]), format=st.sampled_from(["json", "text"]))
CONDITIONS = st.sampled_from(
    [
        Condition("background"),
        Condition("think"),
        Condition("think", level="high"),
        Condition("long_context", tokens=60_000),
        Condition("image"),
    ]
)
ROUTES = ("small", "default", "long.1")
BREAKER = st.builds(BreakerConfig, enabled=st.booleans(), failures=st.integers(1, 10_000), open_seconds=SECONDS)
BUDGET = st.builds(
    Budget,
    name=NAME,
    for_=st.just(Scope("all")),
    amount=st.decimals("0.000001", 10**6, places=6),
    per=st.sampled_from(["hour", "day", "week", "month"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
    warn=st.integers(1, 100),
) | st.builds(
    Budget,
    name=NAME,
    for_=st.sampled_from([Scope("session"), Scope("agent")]),
    tokens=st.integers(1, 10**13),
    per=st.sampled_from([None, "session"]),
)
LEDGER = st.builds(
    Ledger,
    enabled=st.none() | st.booleans(),
    database=st.sampled_from([None, "/srv/$x y.sqlite"]),
    keep=st.floats(86_400, 10**8),
)
SEARCH = st.builds(
    WebSearch,
    engine=st.just("searxng"),
    url=st.sampled_from(["http://127.0.0.1:8888", "https://x.example/$a"]),
    timeout=SECONDS,
    max_results=st.integers(1, 10),
)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Draw a complete valid configuration without secrets."""
    backends = {backend.name: backend for backend in draw(st.lists(BACKEND, min_size=1, max_size=3))}
    aliases = draw(st.lists(WORD.filter(lambda word: not word.endswith("@claude-bridge")), max_size=3, unique=True))
    models = {
        alias: Model(
            alias=alias,
            backend=draw(st.sampled_from(sorted(backends))),
            name=draw(WORD),
            label=draw(st.none() | WORD),
            context_window=draw(st.none() | st.integers(1, 10**9)),
            show_reasoning=draw(st.sampled_from(["auto", "always", "never"])),
            reasoning_levels=draw(st.sampled_from(LEVELS)),
            drop=draw(st.sampled_from(DROPPED)),
        )
        for alias in aliases
    }
    listed = [alias for alias in aliases if "," not in alias]  # a comma divides the models of a route
    return Config(
        server=draw(SERVER),
        backends=backends,
        models=models,
        routes={name: draw(routes(name, listed)) for name in draw(st.permutations(ROUTES))} if listed else {},
        prices={name: draw(prices(name)) for name in aliases},
        budgets={each.name: each for each in draw(st.lists(BUDGET, max_size=3))},
        breaker=draw(BREAKER),
        web_search=draw(st.just(WebSearch()) | SEARCH),
        limits=draw(LIMITS),
        log=draw(LOG),
        ledger=draw(LEDGER),
    )


def prices(name: str) -> st.SearchStrategy[ModelPrice]:
    """Make prices of one name."""
    amounts = st.decimals(0, 1000, places=6) | st.integers(0, 100).map(Decimal)
    parts = st.lists(st.sampled_from(PARTS), min_size=1, unique=True)
    tiers = st.builds(
        lambda above, names, amount: PriceTier(above, tuple((part, amount) for part in names)),
        st.integers(1, 10**9),
        parts,
        amounts,
    )
    return st.builds(
        ModelPrice,
        name=st.just(name),
        input=amounts,
        output=amounts,
        cache_read=st.none() | amounts,
        reasoning=st.none() | amounts,
        above=st.lists(tiers, max_size=2, unique_by=lambda tier: tier.above).map(tuple),
    )


def routes(name: str, models: list[str]) -> st.SearchStrategy[Route]:
    """Make routes of one name; only that of the default goes without conditions."""
    some = st.lists(st.sampled_from(models), min_size=1, unique=True).map(tuple)
    if name == DEFAULT:
        return st.builds(Route, name=st.just(name), models=some, patience=SECONDS)
    when = st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple)
    match = st.lists(st.sampled_from(["*haiku*", "gpt-?", "opus"]), max_size=2).map(tuple)
    return st.builds(Route, name=st.just(name), models=some, when=when, match=match, max_attempts=st.integers(1, 100))


class DumpTests:
    """What is dumped is what holds."""

    @given(configs())
    def test_loads_again(self, config: Config) -> None:
        """A dump without secrets can be used as a file and means the same."""
        again = parse(dump(config), {}, reading())

        assert evolve(again, warnings=()) == config

    def test_every_key_is_there(self) -> None:
        """Defaults are written out, and what has no value is explained."""
        keyed = "[server]\ncredentials = keys\n[key:a]\nsecret = s\n"
        keyed += "[price:m]\ninput = 0\noutput = 0\n"
        keyed += "[budget:b]\namount = 5\nper = day\n"
        text = dump(config_of(f"{keyed}[model:m]\n[route:default]\nmodels = m\n"))

        missing = [
            key.name
            for kind in KINDS.values()
            for key in kind.keys
            if f"\n{key.name} = " not in text
            and f"\n{key.name} =\n" not in text
            and f"# {key.name} is not set: " not in text
        ]
        assert missing == ["signatures"]  # a trait of another kind of backend than this model's

    def test_source_comes_first(self) -> None:
        """The first line says where the configuration comes from, on one line whatever the path."""
        config = evolve(config_of("", {"LOG_LEVEL": "info"}), source="/a\nb.ini")

        assert dump(config).splitlines()[0] == "# The configuration of claude-bridge, from: /a b.ini"

    def test_traits_of_the_kind(self) -> None:
        """A model shows the traits of its backend's kind, and which options that kind does not use."""
        text = dump(config_of("[backend:b]\nurl = https://api.openai.com/v1\nkind = responses\n[model:gpt-5.6]\n"))

        assert "kind = responses\n" in text
        assert "# auto is openai here: host api.openai.com\n" in text
        assert "# reasoning_levels is not set: none, low, medium, high, xhigh, as openai has it\n" in text
        assert "top_k" not in text

    def test_secrets_are_stars(self) -> None:
        """Keys and headers that may hold keys are shown as stars; with them put back the text can be loaded."""
        headers = "headers =\n  X-Auth-Token: sk-2\n  X-Title: mine\n"
        text = dump(
            config_of(f"[backend:b]\napi_key = sk-1\n{headers}[server]\ncredentials = keys\n[key:a]\nsecret = sk-3\n")
        )

        assert "sk-" not in text
        assert "api_key = ***\n" in text
        assert "    X-Auth-Token: ***\n    X-Title: mine\n" in text
        assert [line.split(":")[1] for line in mistakes(text)] == ["b] api_key", "b] headers", "a] secret"]
        assert config_of(text.replace("***", "sk-4")).keys["a"].secret == Secret("sk-4")

    def test_hash_of_a_key(self) -> None:
        """A key that is known by its hash is shown with it, and without a secret that would have to be put back."""
        text = f"[server]\ncredentials = keys\n[key:a]\nhash = {hash_of('s')}\nrpm = 5\n"
        shown = dump(config_of(text))
        assert f"\n# secret is not set: the key is known by its hash only\nhash = {hash_of('s')}\n" in shown
        assert config_of(shown).keys == config_of(text).keys

    def test_headers_from_variables(self) -> None:
        """The value of a header that came out of a variable is shown as stars, whatever the header is called."""
        text = "[backend:b]\nheaders =\n  X-Extra: ${VAR}\n  X-Plain: $${VAR}\n[backend:c]\nheaders = X-Extra: mine\n"
        shown = dump(config_of(text, {"VAR": "hidden value"}))
        assert "hidden value" not in shown
        assert "    X-Extra: ***\n    X-Plain: $${VAR}\n" in shown
        assert "headers = X-Extra: mine\n" in shown
        assert [line.split(":")[1] for line in mistakes(shown)] == ["b] headers"]

    def test_proxy(self) -> None:
        """The password of a proxy is shown as stars, and must be put back before the text can be loaded."""
        shown = dump(config_of("[backend:b]\nproxy = http://m$$e:p%40ss-9f8e7d6c@proxy:3128\n"))
        assert "9f8e" not in shown
        assert "\nproxy = http://m%24e:***@proxy:3128\n" in shown
        assert mistakes(shown) == ["[backend:b] proxy: the password is ***, as a dump shows it: put it back"]
        put_back = config_of(shown.replace("***", "p%40ss-9f8e7d6c")).backends["b"].proxy.server
        assert put_back is not None
        assert put_back.password == Secret("p@ss-9f8e7d6c")

    def test_a_key_in_another_place(self) -> None:
        """A key that stands in another value too is hidden there as well, in a url for one."""
        key = "Zx8$owners/key17"
        text = "[backend:b]\nurl = http://x/{0}/v1\napi_key = {0}\nheaders = X-Title: by {0}\n".format(
            key.replace("$", "$$")
        )
        shown = dump(config_of(text))
        assert "owners" not in shown
        assert "url = http://x/***/v1\n" in shown
        assert "headers = X-Title: by ***\n" in shown

    def test_web_search(self) -> None:
        """The key of a search engine is hidden, and its own address is told to be the default."""
        text = dump(config_of("[web_search]\nengine = brave\napi_key = sk-5\n"))

        assert "engine = brave\n# url is not set: the engine's own address is asked\napi_key = ***\n" in text
        assert "# api_key is not set: no key is sent" in dump(config_of(""))

    def test_dialect(self) -> None:
        """What `auto` came to is said."""
        unknown = "\ndialect = auto\n# auto is generic here, until the backend reveals what it is\n"
        assert unknown in dump(config_of(""))
        known = "\ndialect = auto\n# auto is chutes here: host llm.chutes.ai\n"
        assert known in dump(config_of("[backend:b]\nurl = https://llm.chutes.ai/v1\n"))
        assert "auto is" not in dump(config_of("[backend:b]\ndialect = generic\n"))
        learned = dump(config_of(""), lambda _: DialectDecision(DIALECTS["vllm"], "owned_by vllm, found out earlier"))
        assert "dialect = auto\n# auto is vllm here: owned_by vllm, found out earlier\n" in learned

    def test_traits(self) -> None:
        """What a trait is that a model's section leaves alone is said as soon as the dialect is known."""
        text = "[backend:b]\ndialect = {}\n[model:Qwen3-32B]\ntop_k = no\n"
        known = dump(config_of(text.format("vllm")))
        assert "# reasoning_control is not set: enable_thinking, as vllm has it\n" in known
        assert "# reasoning_levels is not set: low, medium, high, as vllm has it\n" in known
        assert "# drop is not set: none, as vllm has it\n" in known
        assert "\ntop_k = no\n" in known
        unknown = dump(config_of(text.format("auto")))
        assert "# reasoning_levels is not set: as the dialect has it\n" in unknown
        learned = dump(config_of(text.format("auto")), lambda _: DialectDecision(DIALECTS["vllm"], "owned_by vllm"))
        assert "# recover_tool_calls is not set: yes, as vllm has it\n" in learned

    def test_traits_of_another_kind(self) -> None:
        """A trait that the backend's kind does not have is left out, unless it is set."""
        config = config_of("[backend:b]\nkind = anthropic\n[model:m]\ntop_k = no\n")
        lines = dump(config).splitlines()
        model = lines[lines.index("[model:m]") + 1 :]
        model = model[: model.index("")]
        assert [line.removeprefix("# ").split(" ")[0] for line in model] == [
            *("backend", "name", "label", "context_window", "max_output_tokens"),
            *("show_reasoning", "top_k", "signatures"),
        ]
        assert "top_k = no" in model
        assert "# max_output_tokens is not set: the client's max_tokens is kept" in model

    def test_state_directory(self) -> None:
        """Where the state is kept in this very environment is said, and also where it is not kept."""
        assert "# state_dir is not set: /var/lib/x here\n" in dump(config_of(""), state_directory="/var/lib/x")
        assert "# state_dir is not set: nothing is kept, " in dump(config_of(""))

    def test_queue(self) -> None:
        """The limits of a backend's streams are shown, and what applies where there is none."""
        text = dump(config_of("[backend:b]\nmax_streams = 2\nqueue_timeout = 1.5m\n"))
        assert (
            "\nmax_streams = 2\n# max_queue is not set: 4 times max_streams, if that is set\nqueue_timeout = 90\n"
            in text
        )
        assert "\n# max_streams is not set: it is asked by any number of requests at a time\n" in dump(config_of(""))

    def test_whether_backend_models_are_listed(self) -> None:
        """The derived default of list_backend_models is spelled out."""
        assert "# list_backend_models is not set: yes" in dump(config_of(""))
        assert "# list_backend_models is not set: no" in dump(config_of("[model:m]\n"))
