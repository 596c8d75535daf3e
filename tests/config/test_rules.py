"""Rules between sections."""

from __future__ import annotations

import socket

import pytest

from claude_bridge.config.secret import hash_of
from claude_bridge.core.routing import Condition
from tests.config.files import PEM, config_of, mistakes
from tests.config.test_listeners import pass_on

OPEN = "[server]\nlisten = tcp:8080\n"
ASKED = "[server]\ncredentials = keys\n"
INHERITED = "[server]\nlisten = systemd:domain=INET:name=http\n"
KEYED = "[backend:b]\napi_key = sk-1\n"


class RelayTests:
    """Nobody but the owner spends the owner's key."""

    @pytest.mark.parametrize(
        "text",
        [
            OPEN + KEYED,
            OPEN + "credentials = none\n",
            OPEN + "[backend:b]\nheaders = X-Api-Key: sk-1\n",
            "[server]\nlisten =\n  tcp:1:interface=127.0.0.1\n  tcp:2:interface=10.0.0.1\n" + KEYED,
        ],
    )
    def test_refused(self, text: str) -> None:
        """A listener that strangers reach is refused where they could use the backend on the owner's account."""
        (line,) = mistakes(text)

        assert line.startswith("[server] listen: ")
        assert "can be reached from other machines" in line
        assert "credentials = keys" in line
        assert "allow_open = yes" in line

    @pytest.mark.parametrize(
        "text",
        [
            OPEN,
            OPEN + "[backend:b]\nurl = http://x\n",
            OPEN + "allow_open = yes\n" + KEYED,
            OPEN + "credentials = keys\n" + KEYED + "[key:a]\nsecret = s\n",
            KEYED,
            "[server]\ncredentials = none\n" + KEYED,
            "[server]\nlisten = unix:/run/x.sock\n" + KEYED,
        ],
    )
    def test_allowed(self, text: str) -> None:
        """Where everybody brings a credential, or only this machine can connect, it is allowed."""
        assert mistakes(text) == []

    @pytest.mark.parametrize(("is_local", "refused"), [(True, 0), (False, 1)])
    def test_bound(self, is_local: bool, refused: int) -> None:
        """A daemon keeps its sockets: what a new file says of others does not let strangers in by those that are."""
        bound = {"systemd:domain=INET:name=http": is_local}
        told = mistakes(KEYED, bound=bound)
        assert len(told) == refused
        assert all("systemd:domain=INET:name=http can be reached" in each for each in told)

    def test_new_inherited(self) -> None:
        """A socket of systemd's that the daemon was not started with cannot be judged by its number any more."""
        config = config_of(INHERITED + KEYED, bound={"tcp:1:interface=127.0.0.1": True})
        assert any("passed by systemd at start-up" in str(each) for each in config.warnings)

    @pytest.mark.parametrize(("address", "refused"), [("127.0.0.1", 0), ("0.0.0.0", 1)])
    def test_inherited(self, monkeypatch: pytest.MonkeyPatch, address: str, refused: int) -> None:
        """A socket that systemd has passed is looked at: one that only this machine reaches is allowed."""
        with socket.socket() as one:
            one.bind((address, 0))
            pass_on(monkeypatch, one.fileno())
            assert len(mistakes(INHERITED + KEYED)) == refused

    def test_not_passed_yet(self) -> None:
        """Before it is passed there is a warning, where it matters; a start judges it."""
        (warning,) = config_of(INHERITED + KEYED).warnings
        assert (warning.section, warning.key) == ("server", "listen")
        assert "is refused then" in warning.message
        assert config_of(INHERITED).warnings == config_of(INHERITED + "allow_open = yes\n" + KEYED).warnings == ()

    def test_host_port(self) -> None:
        """A listener of the environment is blamed on its variable."""
        (line,) = mistakes(KEYED, {"HOST_PORT": "0.0.0.0:8080"})

        assert line.startswith("[environment] HOST_PORT: tcp:8080:interface=0.0.0.0:backlog=1024 can be reached")

    def test_key_that_could_not_be_read(self) -> None:
        """A backend whose key file is missing still counts as one with a key."""
        lines = mistakes(OPEN + "[backend:b]\napi_key = file:/nope\n")

        assert [line.split(":")[0] for line in lines] == ["[server] listen", "[backend"]

    def test_no_second_blame(self) -> None:
        """A mistyped policy is told once, not again for what its default would do."""
        (line,) = mistakes(OPEN + "credentials = kyes\n" + KEYED)

        assert "did you mean keys?" in line

    def test_no_listener(self) -> None:
        """A server that listens nowhere is a mistake."""
        assert mistakes("[server]\nlisten =\n") == ["[server] listen: needs at least one endpoint"]


class ReferenceTests:
    """Names must exist."""

    def test_unknown_names(self) -> None:
        """Unknown backends and models are told with the nearest one."""
        assert mistakes("[backend:chutes]\n[model:glm]\nbackend = chuts\n[route:default]\nmodels = gml\n") == [
            "[model:glm] backend: no [backend:*] of that name, did you mean chutes?",
            "[route:default] models: no [model:*] of that name, did you mean glm?",
        ]

    @pytest.mark.parametrize("environ", [{}, {"BACKEND_URL": "http://x/v1"}])
    def test_no_backend_at_all(self, environ: dict[str, str]) -> None:
        """Without any backend in the file that is said, and not the name of one that nobody wrote."""
        assert mistakes("[model:m]\nbackend = x\n", environ) == [
            "[model:m] backend: there is no [backend:*] at all: write [backend:x] with its url"
        ]

    def test_reference_into_a_section_with_mistakes(self) -> None:
        """A backend with a mistake of its own still exists."""
        (line,) = mistakes("[backend:b]\nurl = x\n[model:m]\nbackend = b\n")

        assert line.startswith("[backend:b] url")

    def test_only_backend(self) -> None:
        """A model needs no backend where there is only one, and its name is the alias if none is given."""
        model = config_of("[backend:b]\n[model:Org/M]\n").models["Org/M"]

        assert (model.backend, model.name) == ("b", "Org/M")

    def test_default_backend(self) -> None:
        """The backend that the environment defines can be named by the file."""
        config = config_of("[model:m]\nbackend = default\n", {"BACKEND_URL": "http://x"})

        assert config.models["m"].backend == "default"

    def test_which_backend(self) -> None:
        """Where there are several backends a model has to say which."""
        assert mistakes("[backend:a]\n[backend:b]\n[model:m]\n") == [
            "[model:m] backend: required, because there is more than one backend, valid: a, b"
        ]

    @pytest.mark.parametrize(
        ("route", "told"),
        [
            ("[route:default]\nmodels =\n", "[route:default] models: is missing: name at least one model"),
            ("[route:default]\n", "[route:default] models: is missing: name at least one model"),
            ("[route:default]\nmodels = a, b, a\n", "[route:default] models: names a model twice"),
            (
                "[route:default]\nmodels = a, nobody/b\n",
                "[route:default] models: entry 2: no [model:*] of that name, nor a [backend:*] in front, valid: a, b",
            ),
            (
                "[route:default]\nmodels = a\nwhen = image\n",
                "[route:default] when: the default route takes what no other takes: give this one another name",
            ),
            (
                "[route:default]\nmodels = a\nmatch = x*\n",
                "[route:default] match: the default route takes what no other takes: give this one another name",
            ),
            (
                "[route:fast]\nmodels = a\n",
                "[route:fast] when: is missing, so nothing ever takes this route: add `match` or `when`",
            ),
            (
                "[route:longContext]\nmodels = a\n",
                "[route:longContext] when: is missing, so nothing ever takes this route: add `when = long_context`",
            ),
        ],
    )
    def test_route(self, route: str, told: str) -> None:
        """A route has models that exist, and something that leads to it."""
        assert mistakes(f"[backend:x]\n[model:a]\n[model:b]\n{route}") == [told]

    def test_routes(self) -> None:
        """Models stand on one line or several, by their names or their backends', and routes keep their order."""
        text = (
            "[backend:x]\n[backend:y]\n[model:a]\nbackend = x\n[model:b]\nbackend = y\n"
            "[route:think]\nmodels = a, y/Some/Model\nwhen = think high\n  image\n"
            "[route:default]\nmodels =\n  a\n  b\n[route:small]\nmodels = b\nmatch = *haiku*, gpt-?\n"
        )
        routes = config_of(text).routes
        assert list(routes) == ["think", "default", "small"]
        assert routes["think"].models == ("a", "y/Some/Model")
        assert routes["think"].when == (Condition("think", level="high"), Condition("image"))
        assert routes["small"].match == ("*haiku*", "gpt-?")
        assert (routes["default"].patience, routes["default"].max_attempts, routes["default"].max_wait) == (5, 8, 120)

    @pytest.mark.parametrize(
        ("when", "told"),
        [
            ("thinking", "did you mean think?"),
            ("think hardest", "must be one of: high, low, max, medium, minimal, xhigh"),
            ("long_context", "long_context needs a number of tokens: long_context 60000"),
            ("long_context many", "must be a number of tokens"),
            ("image 3", "image takes no argument"),
        ],
    )
    def test_wrong_condition(self, when: str, told: str) -> None:
        """A kind of request that does not exist is told, with what is meant."""
        (line,) = mistakes(f"[model:a]\n[route:r]\nmodels = a\nwhen = {when}\n")
        assert line.startswith("[route:r] when: ")
        assert told in line

    @pytest.mark.parametrize(
        ("second", "credentials", "warned"),
        [
            ("url = https://b.example/v1", "forward", True),
            ("url = https://b.example/v1\napi_key = sk-of-the-owner-1234", "forward", False),
            ("url = http://127.0.0.1:8000/v1", "forward", False),
            ("url = https://b.example/v1", "none", False),
        ],
    )
    def test_client_key_of_several_vendors(self, second: str, credentials: str, warned: bool) -> None:
        """A client has one key: a route that would send it to a second vendor is warned of."""
        text = (
            f"[server]\ncredentials = {credentials}\n[backend:a]\nurl = https://a.example/v1\n[backend:b]\n{second}\n"
            "[route:default]\nmodels = a/m, b/m\n"
        )
        told = [str(each) for each in config_of(text).warnings if "the client's key would be sent" in str(each)]
        assert bool(told) is warned
        assert all("backends a, b" in each for each in told)

    def test_broken_route(self) -> None:
        """A route that could not be read is told once."""
        assert len(mistakes("[model:a]\nbackend = ${A}\n[route:default]\nmodels = ${B}\n")) == 2


class KeyTests:
    """Clients' keys."""

    def test_no_keys(self) -> None:
        """Asking for keys without having any is a mistake."""
        assert mistakes("[server]\ncredentials = keys\n") == [
            "[server] credentials: keys needs a [key:NAME] for each client: `claude-bridge key new NAME` makes one"
        ]

    @pytest.mark.parametrize("policy", ["", "[server]\ncredentials = none\n"])
    def test_keys_that_nobody_asks_for(self, policy: str) -> None:
        """Keys that protect nothing are a mistake: whoever wrote them believes to be protected."""
        (line,) = mistakes(policy + "[key:a]\nsecret = s\n")

        assert line.startswith("[server] credentials: must be keys for a [key:*] to have an effect")

    def test_mistyped_policy(self) -> None:
        """A mistyped policy is told once, not a second time for the keys."""
        assert len(mistakes("[server]\ncredentials = key\n[key:a]\nsecret = s\n")) == 1

    def test_no_secret(self) -> None:
        """A key without its secret is a mistake."""
        (line,) = mistakes(ASKED + "[key:a]\nrpm = 5\n")
        told = "is missing: ${VAR}, file:/path or credential:NAME, or a hash, which `claude-bridge key new` writes"
        assert line == f"[key:a] secret: {told}"

    def test_broken_secret(self) -> None:
        """A secret that could not be read is told once."""
        assert len(mistakes(ASKED + "[key:a]\nsecret = ${NOPE}\n[key:b]\nsecret = file:/nope\n")) == 2

    def test_same_secret(self) -> None:
        """Two clients with one secret could not be told apart."""
        assert mistakes(ASKED + "[key:a]\nsecret = s\n[key:b]\nsecret = s\n") == [
            "[key:b] secret: is the same key as [key:a]"
        ]

    @pytest.mark.parametrize("first", [f"hash = {hash_of('s')}", "secret = s"])
    def test_same_hash(self, first: str) -> None:
        """Neither could two with one hash, nor a secret and its hash."""
        assert mistakes(f"{ASKED}[key:a]\n{first}\n[key:b]\nhash = {hash_of('s').upper()}\n") == [
            "[key:b] hash: is the same key as [key:a]"
        ]

    def test_secret_and_hash(self) -> None:
        """Two keys in one section are a mistake."""
        assert mistakes(f"{ASKED}[key:a]\nsecret = s\nhash = {hash_of('t')}\n") == [
            "[key:a] hash: is one too many beside secret: keep one of them"
        ]

    @pytest.mark.parametrize(
        "wrong", ["sha256:", "sha256:abc", "cb-the-key-itself", "0" * 64, f"sha512:{'0' * 64}", f"sha256:{'g' * 64}"]
    )
    def test_what_is_no_hash(self, wrong: str) -> None:
        """Anything but a SHA-256 is a mistake, whose text does not repeat it: it may be a key."""
        (line,) = mistakes(f"{ASKED}[key:a]\nhash = {wrong}\n")
        assert line.startswith("[key:a] hash: must be sha256: and 64 hexadecimal digits")
        assert wrong not in line or wrong == "sha256:"

    def test_what_a_key_may_use(self) -> None:
        """Models and routes have to be there, a pattern has to fit something, and an empty list allows nobody."""
        model = "[backend:box]\n[model:glm]\n[route:default]\nmodels = glm\n"
        for right in ("glm", "GLM", "gl*", "box/any", "b?x/*", "*/glm*"):
            assert mistakes(f"{ASKED}{model}[key:a]\nsecret = s\nmodels = {right}\nroutes = default\n") == []
        wrong = "models = glm, gml, bux/x, x*, bux/*\nroutes = defalt\nrpm = 0\n"
        assert mistakes(f"{ASKED}{model}[key:a]\nsecret = s\n{wrong}") == [
            "[key:a] rpm: must be from 1 to 1,000,000",
            "[key:a] models: entry 2: no [model:*] of that name, did you mean glm?",
            "[key:a] models: entry 3: no [model:*] of that name, nor a [backend:*] in front, valid: glm",
            "[key:a] models: entry 4: no [model:*] of that name, valid: glm",
            "[key:a] models: entry 5: no [model:*] of that name, nor a [backend:*] in front, valid: glm",
            "[key:a] routes: no [route:*] of that name, did you mean default?",
        ]
        assert mistakes(f"{ASKED}{model}[key:a]\nsecret = s\nmodels =\nroutes =\n") == [
            "[key:a] models: names no model: leave it out if the client may use any",
            "[key:a] routes: names no route: leave it out if the client's requests may take any",
        ]


class AuthorityTests:
    """Certificate authorities are read when the configuration is checked."""

    def test_good(self) -> None:
        """A PEM file is accepted."""
        config = config_of("[backend:b]\nca_file = /ca.pem\n", files={"/ca.pem": PEM})

        assert config.backends["b"].ca_file == "/ca.pem"

    def test_missing_or_wrong(self) -> None:
        """A file that is missing or holds no certificate is a mistake."""
        text = "[backend:a]\nca_file = /nope\n[backend:b]\nca_file = /junk\n"

        assert mistakes(text, files={"/junk": b"junk"}) == [
            "[backend:a] ca_file: cannot read /nope: No such file or directory",
            "[backend:b] ca_file: /junk holds no certificate in PEM form",
        ]


class QueueTests:
    """Limits of a backend's streams."""

    @pytest.mark.parametrize("text", ["max_streams = 2\nmax_queue = 0\n", "max_streams = 1\n", "queue_timeout = 5\n"])
    def test_allowed(self, text: str) -> None:
        """A queue may be as short as nothing, and its length is known where only the streams are limited."""
        assert mistakes(f"[backend:b]\n{text}") == []

    def test_queue_for_nothing(self) -> None:
        """A queue is refused where every request is sent at once."""
        assert mistakes("[backend:b]\nmax_queue = 8\n") == [
            "[backend:b] max_queue: has no effect without max_streams: set that, or drop this"
        ]

    def test_mistake_in_the_limit(self) -> None:
        """A limit that cannot be read is one mistake, not two."""
        (line,) = mistakes("[backend:b]\nmax_streams = 0\nmax_queue = 8\n")
        assert line == "[backend:b] max_streams: must be from 1 to 100,000"


class WebSearchTests:
    """A search engine has what it needs before anybody searches."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "engine = none\ntimeout = 5\n",
            "engine = searxng\nurl = http://127.0.0.1:8888\n",
            "engine = searxng\nurl = https://x\napi_key = k\n",
            "engine = brave\napi_key = k\n",
            "engine = tavily\napi_key = k\nurl = https://x\n",
        ],
    )
    def test_complete(self, text: str) -> None:
        """An address for SearXNG, a key for the others, nothing where nothing is searched."""
        assert mistakes(f"[web_search]\n{text}") == []

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("url = http://x", "engine: is missing: url and api_key have no effect without it"),
            ("engine = none\napi_key = k", "engine: is missing: url and api_key have no effect without it"),
            ("engine = searxng", "url: is missing: searxng needs the address of your server"),
            ("engine = brave", "api_key: is missing: brave needs ${VAR}, file:/path or credential:NAME"),
            ("engine = tavily", "api_key: is missing: tavily needs ${VAR}, file:/path or credential:NAME"),
            (
                "engine = brave\napi_key = k\nurl = http://x",
                "url: must begin with https://, as the key for brave travels there",
            ),
        ],
    )
    def test_incomplete(self, text: str, message: str) -> None:
        """What is missing is named."""
        assert mistakes(f"[web_search]\n{text}\n") == [f"[web_search] {message}"]

    @pytest.mark.parametrize(
        "text", ["engine = bing", "engine = brave\napi_key = ${NOPE}", "engine = searxng\nurl = x", "url = x"]
    )
    def test_no_second_blame(self, text: str) -> None:
        """What could not be read is told once, not again for being missing."""
        assert len(mistakes(f"[web_search]\n{text}\n")) == 1


RESPONSES = "[backend:b]\nurl = https://api.openai.com/v1\nkind = responses\n"


class KindTests:
    """What a backend's kind knows of dialects, and of a model's options."""

    @pytest.mark.parametrize("dialect", ["auto", "openai", "azure", "llamacpp", "generic"])
    def test_dialects(self, dialect: str) -> None:
        """The dialects of its kind, or none yet."""
        assert mistakes(f"{RESPONSES}dialect = {dialect}\n") == []

    def test_dialect_of_another_kind(self) -> None:
        """A dialect of another kind is refused with those that there are."""
        (told,) = mistakes(f"{RESPONSES}dialect = vllm\n")
        assert told.startswith("[backend:b] dialect: is not a dialect of kind = responses: ")
        assert mistakes("[backend:b]\ndialect = vllm\n") == []

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("reasoning_control = thinking_type", "none, effort"),
            ("tool_choice = any", "named, required, auto, none"),
            ("drop = top_p, stop", "temperature, top_p"),
        ],
    )
    def test_words_of_another_kind(self, line: str, words: str) -> None:
        """A word of an option that only another kind knows is refused."""
        name = line.partition(" ")[0]
        assert mistakes(f"{RESPONSES}[model:m]\n{line}\n") == [
            f"[model:m] {name}: must be one of these by kind = responses: {words}"
        ]

    def test_options(self) -> None:
        """What both kinds know is taken."""
        text = "[model:m]\nreasoning_levels = none, high\nimages = refuse\nschema = bare\nstrict = no\ndrop = none\n"
        assert mistakes(RESPONSES + text) == []

    @pytest.mark.parametrize("end", ["", "/", "/responses", "/responses/", "/chat/completions"])
    def test_url(self, end: str) -> None:
        """The full path of its endpoint is cut to the base."""
        config = config_of(RESPONSES.replace("/v1\n", f"/v1{end}\n"))
        assert config.backends["b"].url == "https://api.openai.com/v1"
        assert config.warnings == ()
