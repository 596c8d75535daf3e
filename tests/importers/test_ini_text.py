"""A draft as INI text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.expand import expand
from claude_bridge.config.ini import read_ini
from claude_bridge.config.secret import Secret
from claude_bridge.importers.draft import (
    ImportedBackend,
    ImportedBudget,
    ImportedConfiguration,
    ImportedKey,
    ImportedLog,
    ImportedModel,
    ImportedPrice,
    ImportedRoute,
    ImportedServer,
    ImportedWebSearch,
    KeyOfBackend,
)
from claude_bridge.importers.ini_text import Written, ini_text
from claude_bridge.importers.names import model_alias
from claude_bridge.importers.text import Text, Variable, plain
from tests.config.files import config_of

SECRET = Text(parts=(Secret("invented-key$1"),), instead="BOX_KEY", path="a.b")


def draft() -> ImportedConfiguration:
    """Return a draft with a little of everything that this version has."""
    made = ImportedConfiguration(tool="Old", source_words="a file of Old", server=ImportedServer(credentials="keys"))
    made.backends = [
        ImportedBackend(
            name="box",
            came_from="backends[0]",
            notes=("a note\nof two lines",),
            url="http://box.example/v1",
            api_key=(KeyOfBackend(key=SECRET, weight=2), KeyOfBackend(key=Text(parts=(Variable("SECOND"),)))),
            first_byte_timeout=600.0,
            headers=(("X-Title", "it's $5"), ("X-Token", Text(parts=(Secret("invented-token"),), instead="TOKEN"))),
        ),
        ImportedBackend(name="other", url=Text(parts=("http://", Variable("HOST", "sample"), "/v1"))),
    ]
    made.models = [
        ImportedModel(name="b", backend="other", model="b"),
        ImportedModel(name="a", backend="box", model=plain("a:free"), traits={"top_k": True}, context_window=10),
    ]
    made.routes = [ImportedRoute(name="default", models=("a", "b"))]
    made.prices = [ImportedPrice(name="a", input=Decimal("0.50"), output=Decimal(10), above=("1K input 1 output 2",))]
    made.keys = [ImportedKey(name="k", secret=Text(parts=(Secret("invented-client"),), instead="CLIENT"))]
    made.budgets = [ImportedBudget(name="all", whom="key k", amount=Decimal("5.00"), per="day", warn="50%")]
    made.web_search = ImportedWebSearch(engine="brave", api_key=Text(parts=(Variable("BRAVE"),)))
    made.log = ImportedLog(level="warn")
    return made


ENVIRON = {"SECOND": "second-key-of-box", "HOST": "other.example", "BRAVE": "key-of-the-engine"}

TEXT = """\
# Made by `claude-bridge import` from a file of Old.
# etc/claude-bridge.reference.ini has every option, with a comment.

[server]
credentials = keys

# backends[0]
# a note of two lines
[backend:box]
url = http://box.example/v1
api_key =
  invented-key$$1 weight=2
  ${SECOND}
first_byte_timeout = 600
headers =
  X-Title: it's $$5
  X-Token: invented-token

[model:a]
backend = box
name = a:free
context_window = 10
top_k = yes

[backend:other]
url = http://${HOST}/v1

[model:b]
backend = other
name = b

[route:default]
models =
  a
  b

[price:a]
input = 0.5
output = 10
above = 1K input 1 output 2

[key:k]
secret = invented-client

[budget:all]
for = key k
amount = 5
per = day
warn = 50%

[web_search]
engine = brave
api_key = ${BRAVE}

[log]
level = warn
"""


class WriteTests:
    """The whole text."""

    def test_with_secrets(self) -> None:
        """Each backend is followed by its models, and the configuration has what the draft has."""
        written = ini_text(draft(), with_secrets=True)
        assert written.text == TEXT
        assert written.findings == ()
        assert dict(written.to_set) == {
            "SECOND": "used by [backend:box]",
            "HOST": "used by [backend:other]",
            "BRAVE": "used by [web_search]",
        }
        config = config_of(written.text, ENVIRON)
        key = config.backends["box"].api_key[0].secret
        assert key is not None
        assert key.reveal() == "invented-key$1"
        assert config.backends["box"].headers[0] == ("X-Title", "it's $5")

    def test_without_secrets(self) -> None:
        """Variables stand for them, comments say what to set, and options of keys and names of headers stay."""
        written = ini_text(draft(), with_secrets=False)
        assert "invented" not in written.text
        assert "# BOX_KEY: set it to what is written out at a.b\n" in written.text
        assert "  ${BOX_KEY} weight=2\n" in written.text
        assert "  X-Token: ${TOKEN}\n" in written.text
        assert [name for name, _ in written.to_set] == ["BOX_KEY", "SECOND", "TOKEN", "HOST", "CLIENT", "BRAVE"]
        config_of(written.text, {**ENVIRON, "BOX_KEY": "invented-1", "TOKEN": "invented-2", "CLIENT": "invented-3"})

    def test_samples(self) -> None:
        """Variables that are no credentials have values for a check."""
        assert ini_text(draft(), with_secrets=True).samples == (("HOST", "sample"),)


def written_with(value: str) -> Written:
    """Return the text of a draft whose model has a label."""
    made = draft()
    made.models[0] = evolve(made.models[0], label=value, came_from="models[0]")
    return ini_text(made, with_secrets=True)


class UnfitTests:
    """What an INI file cannot hold."""

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            ("a # b", "has ` #` or ` ;` in it"),
            ("# b", "has ` #` or ` ;` in it"),
            ("a ;b", "has ` #` or ` ;` in it"),
            (" a", "begins or ends with a space"),
            ('"a"', "is in quotes"),
            ("a\nb", "has a line break or a control character in it"),
            ("  ", "is empty"),
        ],
    )
    def test_left_out(self, value: str, why: str) -> None:
        """It is left out and reported; the rest of the section is kept."""
        written = written_with(value)
        (finding,) = written.findings
        assert (finding.path, finding.lost) == ("models[0]", True)
        assert finding.meaning.startswith(f"label {why}")
        assert config_of(written.text, ENVIRON).models["b"].label is None

    @pytest.mark.parametrize("value", ["50% off", "a;b#c", "100 $", "größe", "a = b", "[x]", 'say "x" twice'])
    def test_kept(self, value: str) -> None:
        """Everything else comes back as it was."""
        assert config_of(written_with(value).text, ENVIRON).models["b"].label == value


class LaterTests:
    """Sections and keys of a later version."""

    def test_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A section that this version does not have is left out and reported once."""
        monkeypatch.setattr("claude_bridge.importers.ini_text.KINDS", {})
        made = draft()
        made.budgets = [ImportedBudget(name="all", came_from="budget", whom="all", amount=Decimal(5), per="day")]
        findings = [each for each in ini_text(made, with_secrets=True).findings if each.path == "budget"]
        assert [each.meaning for each in findings] == ["[budget:all] has to wait: this version has no such section"]


NASTY = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *(
                "m\n[server]\nlisten = tcp:1",
                "m\r[server]",
                "a]b",
                "[server]",
                "a = b",
                "%(x)s",
                "${X}",
                "$X",
                "$",
                "$$",
            ),
            *(
                "x ; y",
                "x # c",
                "#",
                "'q'",
                '"q"',
                "\u2028y",
                "\x85z",
                "\ufeff",
                "file:/etc/passwd",
                "a:b",
                "=",
                "\t",
                "***",
            ),
        ]
    ),
)


class AnyTextTests:
    """Values with any characters."""

    @given(header=NASTY, model=NASTY, label=NASTY, note=NASTY)
    def test_read_as_it_was(self, header: str, model: str, label: str, note: str) -> None:
        """Each value is read as it was or is reported, and none can add a section or a key."""
        made = ImportedConfiguration(tool="Old", source_words=note)
        url = "http://box.example/v1"
        made.backends = [
            ImportedBackend(name="box", came_from=note, notes=(note,), url=url, headers=(("X-A", header),))
        ]
        made.models = [ImportedModel(name=model_alias(model), backend="box", model=model, label=label, came_from=note)]
        written = ini_text(made, with_secrets=True)
        read = read_ini(written.text)
        assert read.problems == ()
        assert {*read.sections} == {"backend:box", f"model:{model_alias(model)}"}
        told = " ".join(each.meaning for each in written.findings)
        backend, section = (entries for name, entries in read.sections.items())
        for word, entries, value, wanted in (
            ("headers", backend, backend.get("headers"), f"X-A: {header}"),
            ("name", section, section.get("name"), model),
            ("label", section, section.get("label"), label),
        ):
            assert {*entries} <= {"url", "headers", "backend", "name", "label"}
            got = None if value is None else expand(" ".join(value), {})
            assert got == wanted or f"{word} " in told or (got is None and not wanted)
