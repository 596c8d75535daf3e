"""Tests for `claude_bridge.core.messages_api.subagent_tag`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.messages_api import parsing, subagent_tag
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of

TAG = "<CCR-SUBAGENT-MODEL>box,org/m</CCR-SUBAGENT-MODEL>"


def decoded(**fields: Any) -> MessagesRequest:
    """Decode a request."""
    body = {"model": "claude-opus-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]} | fields
    return parsing.decode(json.dumps(body).encode())


def blocks(*texts: str) -> list[dict[str, Any]]:
    """Make text blocks, the last one marked for a cache."""
    made: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    made[-1]["cache_control"] = {"type": "ephemeral"}
    return made


class TagTests:
    """Where the tag counts, and what is left of it."""

    @pytest.mark.parametrize(
        "fields",
        [
            {"system": f"{TAG}You are an agent."},
            {"system": blocks("You are", f" {TAG} an agent.")},
            {"messages": [{"role": "user", "content": f"{TAG}\nFind it."}]},
            {"messages": [{"role": "user", "content": blocks("<system-reminder>", f"{TAG}Find it.")}]},
        ],
    )
    def test_counts(self, fields: dict[str, Any]) -> None:
        """In the system prompt and in the first message it names the model, and no backend sees it."""
        request = decoded(**fields)
        assert request.model == "box,org/m"
        assert "CCR" not in repr(conversation_of(request))
        assert conversation_of(request).caches_prefix == ("cache_control" in json.dumps(fields))

    @pytest.mark.parametrize(
        "messages",
        [
            [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "yes"},
                {"role": "user", "content": TAG},
            ],
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": TAG}]}],
            [{"role": "user", "content": "<CCR-SUBAGENT-MODEL></CCR-SUBAGENT-MODEL>"}],
            [{"role": "user", "content": "<CCR-SUBAGENT-MODEL>box,m"}],
            [{"role": "user", "content": f"<CCR-SUBAGENT-MODEL>{'m' * 300}</CCR-SUBAGENT-MODEL>"}],
            [{"role": "assistant", "content": TAG}, {"role": "user", "content": "hi"}],
        ],
    )
    def test_ordinary_text(self, messages: list[dict[str, Any]]) -> None:
        """Anywhere else, and without a name in it, it is what somebody wrote."""
        request = decoded(messages=messages)
        assert request.model == "claude-opus-5-5"
        assert "CCR-SUBAGENT-MODEL" in repr(conversation_of(request))

    def test_first_of_several(self) -> None:
        """Of several the first counts, the system prompt before the messages, and all are cut out."""
        other = TAG.replace("org/m", "n")
        request = decoded(system=TAG, messages=[{"role": "user", "content": f"{other} do it {other}"}])
        assert request.model == "box,org/m"
        assert request.messages[0].content == " do it "

    @pytest.mark.parametrize("text", [" " * 100_000, "m" * 100_000, f"m{' ' * 100_000}", TAG[:20] * 50_000])
    def test_unfinished(self, text: str) -> None:
        """However long the text is that follows an unfinished tag, it is looked at in no time."""
        began = time.process_time()
        request = decoded(messages=[{"role": "user", "content": f"<CCR-SUBAGENT-MODEL>{text}"}])
        assert time.process_time() - began < 1
        assert request.model == "claude-opus-5-5"

    @pytest.mark.parametrize("blanks", ["", " ", "\n  \t"])
    def test_blanks(self, blanks: str) -> None:
        """Blanks around the name are no part of it."""
        tag = f"<CCR-SUBAGENT-MODEL>{blanks}box, org/m{blanks}</CCR-SUBAGENT-MODEL>"
        assert decoded(system=tag).model == "box, org/m"

    def test_malformed_block(self) -> None:
        """A block that is malformed anyway is told by its own error."""
        request = decoded(messages=[{"role": "user", "content": [{"type": "text", "text": 5, "x": TAG}]}])
        assert request.model == "claude-opus-5-5"


PIECES = st.lists(
    st.sampled_from(
        [TAG, "<CCR-SUBAGENT-MODEL>\n b,m\t</CCR-SUBAGENT-MODEL>", "<CCR-SUBAGENT-MODEL>", "é\\n", '"', "a"]
    )
).map("".join)
BLOCKS = st.lists(
    PIECES.map(lambda text: {"type": "text", "text": text}) | PIECES.map(lambda text: {"type": "other", "text": text}),
    min_size=1,
    max_size=4,
)


class OriginalTests:
    """The body as it was received, for a backend to which it is passed on."""

    @given(st.data())
    def test_as_decoded(self, data: st.DataObject) -> None:
        """It has no tag where the decoded request has none, and every other value is the same."""
        system, content = data.draw(PIECES | BLOCKS), data.draw(PIECES | BLOCKS)
        role = data.draw(st.sampled_from(["user", "assistant"]))
        messages = [{"role": role, "content": content}, {"role": "user", "content": TAG}]
        fields = {"model": "m", "max_tokens": 1, "system": system, "messages": messages, "metadata": {"user_id": TAG}}
        written = json.dumps(fields, indent=1, ensure_ascii=data.draw(st.booleans())).encode()
        cut = json.loads(subagent_tag.without_tags(written))
        decoded_request = parsing.decode(written)
        assert present(cut["system"]) == present(values(decoded_request.system))
        assert present(cut["messages"][0]["content"]) == present(values(decoded_request.messages[0].content))
        assert {**cut, "system": "", "messages": cut["messages"][1:]} == {
            **fields,
            "system": "",
            "messages": messages[1:],
        }

    def test_bytes(self) -> None:
        """Nothing but the tag is cut, however the rest is written."""
        tag = b"<CCR-SUBAGENT-MODEL>\\n box,m</CCR-SUBAGENT-MODEL>"
        body = b'{ "system":[ {"text" : "\\u0041%b\\/b", "type":"text"}],"messages":[{"role":"user","content":"x%b"}] }'
        assert subagent_tag.without_tags(body % (tag, tag)) == body % (b"", b"")

    def test_escaped_tag(self) -> None:
        """A tag that is written with escapes is cut out too."""
        written = TAG.replace("/", "\\/").replace("org", "\\u006frg")
        body = b'{"messages":[{"role":"user","content":"%ba"}],"x":"%b"}' % (written.encode(), TAG.encode())
        assert json.loads(subagent_tag.without_tags(body))["messages"][0]["content"] == "a"

    def test_emptied_block(self) -> None:
        """A block that was nothing but the tag goes, as backends refuse an empty text, unless there is no other."""
        for texts, expected in (([TAG, "a"], ["a"]), (["a", TAG], ["a"]), ([TAG], [""])):
            body = {"messages": [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}]}
            cut = json.loads(subagent_tag.without_tags(json.dumps(body).encode()))
            assert [block["text"] for block in cut["messages"][0]["content"]] == expected

    @pytest.mark.parametrize("more", ['"}],"messages":[]', '","text":""}]}]'])
    def test_twice(self, more: str) -> None:
        """Where a field stands twice nothing is cut: it is for others to refuse."""
        content = TAG if "messages" in more else f'[{{"type":"text","text":"{TAG}'
        quote = '"' if "messages" in more else ""
        body = f'{{"messages":[{{"role":"user","content":{quote}{content}{more}}}'.encode()
        assert json.loads(body)
        assert subagent_tag.without_tags(body) == body

    @pytest.mark.parametrize("message", [{"role": "user"}, {"content": TAG}, {"role": "user", "content": [{"a": TAG}]}])
    def test_odd(self, message: dict[str, Any]) -> None:
        """So it is where there is no text."""
        body = json.dumps({"messages": [message], "x": TAG}).encode()
        assert subagent_tag.without_tags(body) == body


def values(content: Any) -> Any:
    """Return decoded content as what its JSON stands for."""
    return content if isinstance(content, str) else [json.loads(bytes(each)) for each in content]


def present(content: Any) -> Any:
    """Return content without empty texts."""
    return content if isinstance(content, str) else [each for each in content if each["text"] or each["type"] != "text"]


class HostileTests:
    """Only so much is searched."""

    @pytest.mark.parametrize("in_blocks", [False, True])
    def test_beyond_the_bound(self, in_blocks: bool) -> None:
        """A tag in a longer text than any prompt is ordinary text, both decoded and as it was received."""
        large = TAG + "x" * subagent_tag.MAX_SEARCHED
        for said in (large, f"{'y' * 100_000}{TAG}"):
            content = blocks(said) if in_blocks else said
            body = json.dumps(
                {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]}
            ).encode()
            request = parsing.decode(body)
            is_searched = said is not large
            assert (request.model != "m") == is_searched
            assert (subagent_tag.without_tags(body) != body) == is_searched
