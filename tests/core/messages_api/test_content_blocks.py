"""Tests for `claude_bridge.core.messages_api.content_blocks`.

Each kind of content block, and where its content goes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.conversation import (
    State,
    Text,
    Thinking,
    ToolCall,
)
from claude_bridge.core.messages_api.anthropic_types import Tool
from claude_bridge.core.messages_api.content_blocks import BlockReader
from claude_bridge.core.opaque_state import OpaqueState, pack_state
from claude_bridge.core.strict_json import Raw
from tests.core.asking import IMAGE, IMAGE_PART, PIXEL, assistant, refusal, result, text, told, use, user

PDF = "JVBERi0xLjQK"


FILES = Target(model="m", pdf="file")


def content(*blocks: object) -> Any:
    """Return the content of the user message that these blocks become at a server that takes everything."""
    (message,) = told(user(*blocks), target=FILES)
    return message["content"]


def answer(*blocks: object) -> Any:
    """Return the messages after the call: the tool message whose content these blocks are, and what follows it."""
    return told(user("hi"), assistant(use("a")), user(result("a", list(blocks))), target=FILES)[2:]


def spoken(*blocks: object) -> Any:
    """Return the text of the assistant message that these blocks become."""
    return told(user("hi"), assistant(*blocks))[1]["content"]


def document(source: dict[str, Any], **more: object) -> dict[str, Any]:
    """Build a document."""
    return {"type": "document", "source": source, **more}


def pdf(**more: object) -> dict[str, Any]:
    """Build a PDF document."""
    return document({"type": "base64", "media_type": "application/pdf", "data": PDF}, **more)


def file_part(name: str) -> dict[str, Any]:
    """Return the part that a PDF becomes."""
    return {"type": "file", "file": {"filename": name, "file_data": f"data:application/pdf;base64,{PDF}"}}


class TextTests:
    """Text blocks."""

    def test_text(self) -> None:
        """Text arrives as it is, line feeds, quotes and all; markers and citations stay behind."""
        said = 'a "b"\n\n\\ \u00e9\U0001f600'
        cited = text(
            said, cache_control={"type": "ephemeral"}, citations=[{"type": "char_location", "cited_text": "z"}]
        )
        assert content(cited) == said

    def test_only_text_is_a_string(self) -> None:
        """Several texts become one string, which every server takes; empty ones leave no trace."""
        assert content(text("a"), text(""), text("b")) == "a\n\nb"


class ImageTests:
    """Images."""

    def test_base64(self) -> None:
        """An inline image becomes a data URL, beside the text."""
        assert content(text("see"), IMAGE) == [{"type": "text", "text": "see"}, IMAGE_PART]

    def test_url(self) -> None:
        """An image's address is passed on as it is."""
        url = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}, "transformations": {}}
        assert content(url) == [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]

    @pytest.mark.parametrize("source", [{"type": "file", "file_id": "file_1"}, {"type": "novel", "url": "file_1"}])
    def test_not_fetched(self, source: dict[str, str]) -> None:
        """An image that only Anthropic has is named, so that the model knows that something is missing."""
        assert content({"type": "image", "source": source}) == "[image omitted: file_1 is not fetched by this gateway]"

    @pytest.mark.parametrize(
        ("source", "field"),
        [
            ({"type": "base64", "media_type": "image/png"}, "data"),
            ({"type": "base64", "data": PIXEL}, "media_type"),
            ({"type": "base64", "media_type": "image/png", "data": None}, "data"),
            ({"type": "url"}, "url"),
            ({"media_type": "image/png"}, "type"),
        ],
    )
    def test_malformed(self, source: dict[str, Any], field: str) -> None:
        """An image without what makes it one is refused, its place named."""
        told_ = refusal(user("x"), assistant("y"), user(text("z"), {"type": "image", "source": source}))
        assert told_ == f"messages.2.content.1.source.{field}: Field required"

    def test_in_an_assistant_message(self) -> None:
        """An image where chat completions can have none leaves a note."""
        assert spoken(text("look"), IMAGE) == "look\n\n[image omitted]"
        url = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
        assert spoken(url) == "[image omitted: https://example.org/a.png]"


class DocumentTests:
    """Documents of each source type."""

    def test_pdf(self) -> None:
        """A PDF becomes a file part under its title, with its context as text."""
        assert content(pdf()) == [file_part("document.pdf")]
        assert content(pdf(title="T", context="C")) == [{"type": "text", "text": "Context: C"}, file_part("T")]
        assert content(document({"type": "base64", "data": PDF})) == [file_part("document.pdf")]

    def test_text(self) -> None:
        """A text document becomes text under its title."""
        source = {"type": "text", "media_type": "text/plain", "data": "body"}
        assert content(document(source)) == "body"
        assert content(document(source, title="T", context="C")) == "Document: T\nContext: C\nbody"
        assert content(document({"type": "text"}, title="T")) == "Document: T\n"

    @pytest.mark.parametrize("media_type", ["text/plain", "text/csv", "text/markdown"])
    def test_encoded_text_documents(self, media_type: str) -> None:
        """Text in base64, which the API refuses, is text; what cannot be decoded goes on as a file."""
        source = {"type": "base64", "media_type": media_type, "data": b64encode("a;\u00fc".encode()).decode()}
        assert content(document(source, title="T")) == "Document: T\na;\u00fc"
        assert [part["type"] for part in content(document({**source, "data": "?"}))] == ["file"]

    def test_encoded_latin_1(self) -> None:
        """Of text that is not UTF-8 what is invalid is replaced; a very large one is taken for Latin-1."""
        for size, end in ((10, "\ufffd"), (5 << 20, "\u00fc"), (5 << 20, "\u4e2d")):
            data = b"x" * size + (end.encode() if end == "\u4e2d" else b"\xfc")
            source = {"type": "base64", "media_type": "text/plain", "data": b64encode(data).decode()}
            assert content(document(source))[size:] == end

    def test_content(self) -> None:
        """A document made of blocks becomes its text and images; its title stands in front."""
        made = document({"type": "content", "content": [text("a"), IMAGE]}, title="T")
        assert content(made) == [{"type": "text", "text": "Document: T\na"}, IMAGE_PART]
        assert content(document({"type": "content", "content": [IMAGE]}, title="T")) == [
            {"type": "text", "text": "Document: T"},
            IMAGE_PART,
        ]
        assert content(document({"type": "content", "content": "string"})) == "string"

    @pytest.mark.parametrize(
        "source",
        [{"type": "url", "url": "the-thing"}, {"type": "file", "file_id": "the-thing"}, {"type": "the-thing"}],
    )
    def test_not_fetched(self, source: dict[str, str]) -> None:
        """A document that would have to be fetched leaves a note under its title."""
        note = "Document: T\n[document omitted: the-thing is not fetched by this gateway]"
        assert content(document(source, title="T")) == note

    def test_malformed(self) -> None:
        """A document without a source, a PDF without data and a malformed block inside are refused by their paths."""
        at = "messages.0.content.0.source"
        assert refusal(user({"type": "document"})) == f"{at}: Field required"
        assert refusal(user(document({"type": "base64"}))) == f"{at}.data: Field required"
        inner = document({"type": "content", "content": [text("a"), {"type": "text"}]})
        assert refusal(user(inner)) == f"{at}.content.1.text: Field required"

    def test_in_an_assistant_message(self) -> None:
        """What can be text is text; a PDF leaves its name."""
        written = document({"type": "text", "data": "body"})
        assert spoken(written, pdf(title="T")) == "body\n\n[document omitted: T]"


class SearchResultTests:
    """Search results that the client brings."""

    def test_text(self) -> None:
        """Title, source and content become text."""
        found = {"type": "search_result", "title": "T", "source": "S", "content": [text("a"), text("b")]}
        assert content({**found, "citations": {"enabled": True}}) == "[search result] T - S\na\n\nb"
        assert content({**found, "content": "a"}) == "[search result] T - S\na"
        assert content({"type": "search_result"}) == "[search result]"

    def test_path(self) -> None:
        """A malformed block inside is named."""
        told_ = refusal(user({"type": "search_result", "content": [{"type": "text", "text": 5}]}))
        assert told_.startswith("messages.0.content.0.content.0.text: ")


class ToolCallTests:
    """Past calls of the assistant."""

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (b'{"b": 1, "a": {"c": "x y, z: "}}', '{"b":1,"a":{"c":"x y, z: "}}'),
            (b'{"n":1.50,"big":123456789012345678901234567890}', '{"n":1.50,"big":123456789012345678901234567890}'),
            (b"{}", "{}"),
            (b"null", "{}"),
            (b'{\n  "a": 1\n}', '{"a":1}'),
        ],
    )
    def test_arguments(self, given: bytes, expected: str) -> None:
        """Input becomes compact JSON with keys in the given order and numbers as they were written."""
        block = b'{"type":"tool_use","id":"a","name":"f","input":' + given + b"}"
        assert BlockReader().read([Raw(block)], "p") == [ToolCall("a", "f", expected)]

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ('{"a": 1}', '{"a": 1}'),
            ('{"a": ', None),
            ("[1]", None),
            (5, None),
        ],
    )
    def test_unparsed(self, raw: object, expected: str | None) -> None:
        """Input that Claude Code could not parse goes back as the model wrote it, if it is an object after all."""
        given = {"__unparsedToolInput": {"raw": raw, "len": 8}}
        call = told(user("x"), assistant({**use("a"), "input": given}))[1]["tool_calls"][0]
        assert call["function"]["arguments"] == (expected or json.dumps(given, separators=(",", ":")))

    def test_large_unparsed(self) -> None:
        """Such input of a megabyte or more is left as it is."""
        given = {"__unparsedToolInput": {"raw": '{"a":"' + "x" * (1 << 20) + '"}'}}
        call = told(user("x"), assistant({**use("a"), "input": given}))[1]["tool_calls"][0]
        assert json.loads(call["function"]["arguments"]) == given

    def test_the_word_alone(self) -> None:
        """A tool's input may speak of that key."""
        call = told(user("x"), assistant(use("a", text="__unparsedToolInput")))[1]["tool_calls"][0]
        assert json.loads(call["function"]["arguments"]) == {"text": "__unparsedToolInput"}
        call = told(user("x"), assistant(use("a", __unparsedToolInput="x")))[1]["tool_calls"][0]
        assert json.loads(call["function"]["arguments"]) == {"__unparsedToolInput": "x"}

    @pytest.mark.parametrize("value", ["x", [1], 5, True])
    def test_malformed(self, value: object) -> None:
        """Input that is no object is refused by its path."""
        wrong = {"type": "tool_use", "id": "a", "name": "f", "input": value}
        assert refusal(user("x"), assistant(text("y"), wrong)) == (
            "messages.1.content.1.input: Input should be an object"
        )


class ToolResultTests:
    """What tools said."""

    @pytest.mark.parametrize(
        ("blocks", "expected"),
        [
            ([text("a"), text("b")], "a\nb"),
            ([], "(no output)"),
            ([text("")], "(no output)"),
            (
                [{"type": "search_result", "title": "T", "source": "S", "content": [text("a")]}],
                "[search result] T - S\na",
            ),
            ([{"type": "tool_reference", "tool_name": "Read"}], "Tool Read is available now."),
            ([document({"type": "text", "data": "body"}, title="T")], "Document: T\nbody"),
            (
                [{"type": "browser_state", "tabs": [{"tab_id": 1, "url": "U", "title": "T", "active": True}]}],
                "[browser_state] tabs: tab_id: 1; url: U; title: T; active: true",
            ),
            ([{"type": "novel", "x": {"y": "said"}}], "[novel] x: {y: said}"),
            ([use("b", "f", x="said")], '[call of f] {"x":"said"}'),
            ([result("b", [text("said"), IMAGE])], "[result of call b]\nsaid\n[image omitted]"),
        ],
    )
    def test_blocks(self, blocks: list[object], expected: str) -> None:
        """Each kind of block in a result becomes text in the tool message."""
        (message,) = answer(*blocks)
        assert message["content"] == expected

    def test_media(self) -> None:
        """Images and PDFs follow in a user message; numbers tell which is which."""
        result_, shown = answer(text("see"), IMAGE, pdf(title="T"), IMAGE)
        assert result_["content"] == "see\n[image 1]\n[document 2]\n[image 3]"
        labels = [f"[{what}] of the tool result above:" for what in ("image 1", "document 2", "image 3")]
        first, second, third = ({"type": "text", "text": label} for label in labels)
        assert shown == {
            "role": "user",
            "content": [first, IMAGE_PART, second, file_part("T"), third, IMAGE_PART],
        }

    def test_malformed(self) -> None:
        """A malformed block inside a result is named, even after messages were merged."""
        told_ = refusal(user("x"), assistant(use("a")), user("y"), user(result("a", [IMAGE, {"type": "text"}])))
        assert told_ == "messages.3.content.0.content.1.text: Field required"

    def test_nested_for_ever(self) -> None:
        """Results in results without end are refused, not followed."""
        nested: object = "end"
        for _ in range(200):
            nested = [result("a", nested)]
        assert refusal(user(*nested)).endswith(": content is nested too deeply")  # type: ignore[misc]  # it is a list


class ThinkingTests:
    """Reasoning outside an assistant's message, and reasoning that nobody can read."""

    def test_redacted(self) -> None:
        """Reasoning that only its maker can read is left out."""
        assert spoken({"type": "redacted_thinking", "data": "xyz"}, text("hi")) == "hi"

    def test_state(self) -> None:
        """What a backend of ours wants back is kept apart from the thought, still packed; its size is known."""
        carrier_ = pack_state(OpaqueState("d", "m", [1]))
        blocks = [
            {"type": "thinking", "thinking": "hm", "signature": carrier_},
            {"type": "thinking", "thinking": "so", "signature": "Anthropic's"},
            {"type": "redacted_thinking", "data": carrier_},
            {"type": "redacted_thinking", "data": "Anthropic's"},
        ]
        raw = [Raw(json.dumps(block).encode()) for block in blocks]
        reader = BlockReader()
        pieces = reader.read(raw, "p", states=True)
        assert [type(piece) for piece in pieces] == [Thinking, State, Thinking, State]
        assert [piece.carrier for piece in pieces if isinstance(piece, State)] == [carrier_, carrier_]
        assert reader.carried == 2 * len(carrier_)

    def test_state_of_nobody(self) -> None:
        """Where an assistant does not speak there is no state."""
        block = {"type": "redacted_thinking", "data": pack_state(OpaqueState("d", "m", [1]))}
        assert BlockReader().read([Raw(json.dumps(block).encode())], "p") == []

    def test_in_a_user_message(self) -> None:
        """Reasoning where it does not belong is not lost."""
        assert content({"type": "thinking", "thinking": "hm", "signature": "s"}, text("hi")) == "hm\n\nhi"


SERVED = [
    (
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": 'a "b"'}},
        '[web_search] query: a "b"',
    ),
    ({"type": "mcp_tool_use", "id": "m", "name": "f", "server_name": "s", "input": {}}, "[f]"),
    ({"type": "server_tool_use", "id": "s", "name": "f"}, "[f]"),
    (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": [
                {"type": "web_search_result", "title": "T", "url": "U", "encrypted_content": "E", "page_age": None},
                {"type": "web_search_result", "title": "T2", "url": "U2", "encrypted_content": "E"},
            ],
        },
        "[web_search_tool_result] title: T; url: U\ntitle: T2; url: U2",
    ),
    (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
        },
        "[web_search_tool_result] error_code: unavailable",
    ),
    (
        {
            "type": "web_fetch_tool_result",
            "tool_use_id": "s",
            "content": {
                "type": "web_fetch_result",
                "url": "U",
                "content": {"type": "document", "source": {"type": "text", "data": "page"}},
            },
        },
        "[web_fetch_tool_result] url: U; content: {source: {data: page}}",
    ),
    *(
        (
            {"type": kind, "tool_use_id": "s", "content": {"stdout": "out", "stderr": "err", "return_code": 0}},
            f"[{kind}] stdout: out; stderr: err; return_code: 0",
        )
        for kind in ("code_execution_tool_result", "bash_code_execution_tool_result")
    ),
    (
        {"type": "text_editor_code_execution_tool_result", "tool_use_id": "s", "content": {"content": "file"}},
        "[text_editor_code_execution_tool_result] file",
    ),
    (
        {
            "type": "tool_search_tool_result",
            "tool_use_id": "s",
            "content": {"type": "r", "tool_references": [{"type": "tool_reference", "tool_name": "Read"}]},
        },
        "Tool Read is available now.\n\n[tool_search_tool_result] tool_references: tool_name: Read",
    ),
    ({"type": "mcp_tool_result", "tool_use_id": "m", "content": [text("a")], "is_error": False}, None),
    (
        {"type": "advisor_tool_result", "tool_use_id": "m", "content": {"text": "advice"}},
        "[advisor_tool_result] advice",
    ),
    ({"type": "container_upload", "file_id": "f"}, "[container_upload] file_id: f"),
    ({"type": "novel"}, "[novel]"),
    ({"type": "novel", "text": "said"}, "[novel] said"),
    ({"type": "novel", "n": 12345678901234567890123}, "[novel] n: 12345678901234567890123"),
    ({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}, ""),
    ({"type": "mcp_tool_listing", "server_name": "s", "tools": [{"name": "x"}]}, ""),
]


class UnknownBlockTests:
    """Blocks without a counterpart."""

    @pytest.mark.parametrize(("block", "expected"), SERVED)
    def test_flattened(self, block: dict[str, Any], expected: str | None) -> None:
        """What Anthropic's servers said and what nobody here knows yet becomes readable text, in either role."""
        if expected is None:
            expected = "[mcp_tool_result] content: a; is_error: false"
        assert spoken(text("so"), block) == f"so\n\n{expected}".rstrip()
        assert content(text("so"), block) == f"so\n\n{expected}".rstrip()

    def test_odd_number(self) -> None:
        """A block that holds a number of which Python has none is given as it was written."""
        raw = b'{"type":"novel","n":1e999}'
        (piece,) = BlockReader().read([Raw(raw)], "p")
        assert piece == Text(f"[novel] {raw.decode()}")

    def test_deep(self) -> None:
        """A block nested as deeply as JSON may be is no trouble."""
        raw = b'{"type":"novel","x":' + b"[" * 800 + b'"said"' + b"]" * 800 + b"}"
        (piece,) = BlockReader().read([Raw(raw)], "p")
        assert isinstance(piece, Text)
        assert '"said"' in piece.text

    def test_large(self) -> None:
        """A block of a megabyte or more is given as it was written: taking it apart could take all memory."""
        raw = b'{"type":"novel","x":[' + b"[]," * 400_000 + b'"said"]}'
        (piece,) = BlockReader().read([Raw(raw)], "p")
        assert piece == Text(f"[novel] {raw.decode()}")

    def test_compaction(self) -> None:
        """A summary of what was compacted stands in a user message before what follows; an empty one leaves nothing."""
        compacted = {"type": "compaction", "content": "It went well.", "encrypted_content": "E"}
        assert told(assistant(compacted, text("so")), user("go"))[:2] == [
            {"role": "user", "content": "Summary of earlier conversation: It went well."},
            {"role": "assistant", "content": "so"},
        ]
        assert content(compacted) == "Summary of earlier conversation: It went well."
        assert spoken({"type": "compaction", "content": None}, text("so")) == "so"

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [("tool_addition", "Tool x is available now."), ("tool_removal", "Tool x is no longer available.")],
    )
    def test_tool_changes(self, kind: str, expected: str) -> None:
        """The model is told when a tool comes or goes."""
        assert content({"type": kind, "tool": {"type": "tool_reference", "name": "x"}}) == expected

    def test_noted_tools(self) -> None:
        """Whoever reads the blocks knows then which tools came and went."""
        reader = BlockReader()
        changes: list[tuple[str, object]] = [
            ("tool_addition", {"type": "tool_reference", "name": "a"}),
            ("tool_addition", {"type": "tool_definition", "definition": {"name": "b", "description": 5}}),
            ("tool_removal", {"type": "tool_reference", "name": "a"}),
            ("tool_removal", {"type": "tool_reference", "name": "c"}),
            ("tool_addition", {"type": "tool_reference", "name": "c"}),
            ("tool_removal", {"type": "mcp_tool_reference", "name": "b"}),
            ("tool_removal", {"type": "tool_reference", "name": ""}),
            ("tool_removal", None),
        ]
        pieces = reader.read([Raw(json.dumps({"type": kind, "tool": one}).encode()) for kind, one in changes], "p")
        assert len(pieces) == 5
        assert reader.loaded.keys() - reader.removed.keys() == {"b", "c"}
        assert [*reader.removed] == ["a"]
        assert reader.defined == [Tool("b")]

    @pytest.mark.parametrize("block", [{}, {"type": ""}, {"type": None}, {"type": 5}, "x", 5, None, []])
    def test_no_type(self, block: object) -> None:
        """What is no block at all is refused, its place named."""
        assert refusal(user(text("a"), block)).startswith("messages.0.content.1")


class LargeTests:
    """What would take long is bounded before it is decoded."""

    @pytest.mark.parametrize(
        "block",
        [
            {"type": "tool_result", "tool_use_id": "a", "content": [1] * 800_000},
            {"type": "document", "source": {"type": "content", "content": [1] * 800_000}},
            {"type": "search_result", "source": "a", "title": "b", "content": [1] * 800_000},
        ],
    )
    def test_inner_blocks(self, block: dict[str, Any]) -> None:
        """Too many blocks inside one are refused, and not decoded: what is wrong with the first is not told."""
        assert refusal(user(block)).startswith("messages: at most 20000 content blocks")

    def test_as_many_as_may_be(self) -> None:
        """A large block with fewer inside is read."""
        inner = [text("x," * 1_500_000), text("y")]
        assert len(content(result("a", inner), text("z"))) > 1_000_000

    def test_flattened_values(self) -> None:
        """Unknown blocks are made readable until they have too many values; those beyond stay JSON."""
        few, many = {"type": "novel", "x": [1, 2]}, {"type": "novel", "x": [[]] * 40_000}
        said = content(few, many, many, few)
        assert (said.count(json.dumps(few)), said.count(json.dumps(many))) == (0, 1)
