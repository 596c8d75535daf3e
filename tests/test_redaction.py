"""Two promises for everything that leaves the daemon: no credential is in it, and nothing else is taken out of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.logger import LogLevel

from claude_bridge.config import hidden
from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.dump import dump
from claude_bridge.config.proxy import ProxyServer, ProxySetting
from claude_bridge.config.schema import Backend, ClientKey, Config, Model, Route, Server, WebSearch
from claude_bridge.config.secret import Secret
from claude_bridge.core.redaction import MIN_CREDENTIAL_CHARACTERS, Redactor
from claude_bridge.core.upstream_errors.classification import from_error, from_response, to_client
from claude_bridge.daemon.logs.render import json_line, text_line
from tests.core.test_spellings import LAYER, LAYERS
from tests.daemon.logs.test_render import failure

CREDENTIAL = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=MIN_CREDENTIAL_CHARACTERS, max_size=60
)
BESIDE = st.text(st.sampled_from(" \n\t.,:;!?()[]{}<>\"'`/=|@#*~^"), max_size=4)
"""What may stand right beside a credential: no letter and no digit, they would make another word of it."""

NAMES = (
    "cellar-box-of-mine",
    "big-coder-of-ours",
    "zai-org/GLM-4.5-Air-FP8",
    "sk-model-of-a-name",
    "hf-mirror/qwen-72b",
)
FIELDS = ("input_tokens", "max_completion_tokens", "reasoning_effort", "context_window", "invalid_request_error")
WORDS = (
    *("notification", "notifications", "authentication", "authentication_failed", "unauthenticated", "documentation"),
    *("the", "model", "is", "not", "supported", "Bearer", "bearer", "basic", "token", "secret", "key", "placeholder"),
    *("development", "developments", "configuration", "misconfiguration", "Internationalization", "100%", "50%af"),
    *("R&D", "&amp;", "C:\\users\\nobody", "\u00fcberraschung", "ollama", "dummy", "claude-bridge", "risk-assessments"),
)
STATUSES = (200, 400, 401, 402, 403, 404, 413, 429, 500, 501, 503, 529, 302)


def configuration(*keys: str) -> Config:
    """Make a configuration that has these credentials in all places that a credential can be in."""
    one, two, three, four, five = (keys * 5)[:5]
    return Config(
        server=Server(credentials="keys", allowed_hosts=(NAMES[0],)),
        backends={
            NAMES[0]: Backend(
                name=NAMES[0],
                url="http://127.0.0.1:1/v1",
                api_key=(BackendKey(secret=Secret(one)),),
                headers=(("X-Gateway-Token", f"Bearer {two}"), ("X-Title", f"by {one}")),
                proxy=ProxySetting(ProxyServer("127.0.0.1", 2, "me", Secret(five))),
            )
        },
        models={name: Model(alias=name, backend=NAMES[0], name=name) for name in NAMES[1:]},
        routes={"default": Route(name="default", models=(NAMES[1],))},
        keys={"me": ClientKey(name="me", secret=Secret(three))},
        web_search=WebSearch(engine="brave", api_key=Secret(four)),
    )


def log_lines(text: str, redact: Redactor) -> Iterator[str]:
    """Log ``text`` in every place that a log call has, in both forms; JSON as its reader decodes it."""
    event = {
        "log_format": "said: {text}", "log_level": LogLevel.error, "log_time": 1.0, "event": "test", "text": text,
        "nested": [{"in": text, text: 1}], "log_failure": failure(text),
    }  # fmt: skip
    line = json_line(event, redact)
    yield line
    yield from _strings(json.JSONDecoder().decode(line))
    yield text_line(event, redact, colour=True)


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield from (key, *_strings(item))
        case list():
            for item in value:
                yield from _strings(item)


def client_errors(text: str, redact: Redactor) -> Iterator[str]:
    """Let a backend say ``text`` in every way that fails, and return what a client is told."""
    body = json.dumps({"error": {"message": text}}).encode()
    for status in STATUSES:
        refused = from_response(status, {}, body, now=0.0)
        for forwarded in (True, False):
            yield to_client(
                refused, backend=NAMES[0], model=NAMES[2], forwarded=forwarded, scrub=redact, names=redact.words
            ).message
    refused = from_error({"message": text, "code": text[:100]})
    yield to_client(refused, backend=NAMES[0], model=NAMES[2], forwarded=True, scrub=redact, names=redact.words).message
    plain = from_response(500, {}, text.encode(), now=0.0)
    yield to_client(plain, backend=NAMES[0], model=NAMES[2], forwarded=True, scrub=redact, names=redact.words).message


class NoCredentialTests:
    """No credential of twelve characters and more that is no word of the configuration reaches any output."""

    @settings(max_examples=150)
    @given(st.lists(CREDENTIAL, min_size=1, max_size=5), CREDENTIAL, LAYER, BESIDE, BESIDE)
    def test_in_no_output(self, configured: list[str], forwarded: str, layer: str, before: str, after: str) -> None:
        """Neither a configured one nor a client's own: log JSON, log text, errors, dump; in whatever spelling."""
        config = configuration(*configured)
        redact = hidden.redactor(config)
        redact.learn(forwarded)
        for credential in (*configured, forwarded):
            assume(not redact.is_word(credential))
            spelled = LAYERS[layer](credential)
            text = f"refused {before}{spelled}{after} in it"
            for output in (*log_lines(text, redact), *client_errors(text, redact)):
                assert spelled not in output
                assert credential not in output
                assert credential.upper() not in output
        shown = dump(config)
        assert not any(each.replace("$", "$$") in shown for each in configured)

    @settings(max_examples=50)
    @given(CREDENTIAL, CREDENTIAL, LAYER, LAYER)
    def test_several_at_once(self, one: str, two: str, layer: str, other: str) -> None:
        """Two credentials in one text, one of which may be a part of the other, are both hidden."""
        redact = Redactor([one, two])
        for text in (f"{LAYERS[layer](one)} {LAYERS[other](two)}", f"{one}:{two}", f"{two}={one}"):
            shown = redact(text)
            assert one not in shown
            assert two not in shown


class NothingElseTests:
    """Ordinary words, names of JSON fields and names of the configuration are never touched."""

    @settings(max_examples=300)
    @given(
        st.lists(st.sampled_from((*WORDS, *NAMES, *FIELDS)), min_size=1, max_size=6),
        st.lists(st.sampled_from((*WORDS, *NAMES, *FIELDS)), max_size=4),
        st.sampled_from(("", "s", "-2", "_x", "1")),
    )
    def test_words_stay(self, said: list[str], keys: list[str], ending: str) -> None:
        """Whatever words somebody takes for a key: what is shorter, a name, or another word leaves all as it is."""
        credentials = [key + ending for key in keys]
        text = " ".join(said)
        redact = hidden.redactor(configuration(*(credentials or ["a-key-that-is-nowhere"])))
        for each in credentials:
            redact.learn(each)
            assume(
                len(each) < MIN_CREDENTIAL_CHARACTERS
                or redact.is_word(each)
                or each.lower() not in text.lower().split()
            )
        assume(not re.search(r"(?i)(?:bearer|basic) (?:100%|50%af)", text))  # there nothing but a credential stands
        assert redact(text) == text
        line = json.JSONDecoder().decode(json_line({"log_format": "{t}", "t": text, "input_tokens": 7}, redact))
        assert (line["message"], line["t"], line["input_tokens"]) == (text, text, 7)
        assert all(text in told for told in client_errors(text, redact) if "a redirect" not in told)
