"""Tests for `claude_bridge.importers.litellm.reader`; the files in ``cases`` are whole ones."""

from __future__ import annotations

import pytest

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.litellm.reader import read_litellm
from claude_bridge.importers.litellm.yaml_reader import MAX_CHARACTERS
from claude_bridge.importers.source import NotUsable, Source
from tests.importers.litellm.files import draft_of, lost

MAIN = "include: [{}]\nmodel_list:\n  - {{model_name: a, litellm_params: {{model: groq/a}}}}\n"
MORE = (
    "model_list:\n  - {model_name: b, litellm_params: {model: groq/b}}\ngeneral_settings: {master_key: sk-12345678}\n"
)


def included(
    files: dict[str, str | bytes], *, path: str = "/etc/llm/config.yaml", name: str = "more.yaml"
) -> ImportedConfiguration:
    """Return the draft of a file that includes another."""

    def read(asked: str) -> bytes:
        try:
            found = files[asked]
        except KeyError:
            raise FileNotFoundError(asked) from None
        return found.encode() if isinstance(found, str) else found

    return read_litellm(Source(text=MAIN.format(name), path=path, read=read))


class IncludeTests:
    """Files that a file includes."""

    @pytest.mark.parametrize(
        ("path", "name", "asked"),
        [
            ("/etc/llm/config.yaml", "more.yaml", "/etc/llm/more.yaml"),
            ("config.yaml", "parts/more.yaml", "parts/more.yaml"),
            ("/etc/llm/config.yaml", "/srv/more.yaml", "/srv/more.yaml"),
            ("", "/srv/more.yaml", "/srv/more.yaml"),
        ],
    )
    def test_merged(self, path: str, name: str, asked: str) -> None:
        """Their lists are joined with the file's own, their settings replace them."""
        draft = included({asked: "\ufeff" + MORE.replace("\n", "\r\n")}, path=path, name=name)
        assert [each.name for each in draft.models] == ["a", "b"]
        assert draft.server.credentials == "keys"
        assert lost(draft) == {}

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "cannot be read"),
            (b"\xff\xfe\x00", "no text in UTF-8"),
            ("a: [1", "not valid YAML"),
            ("- a", "no settings"),
            ("a" * MAX_CHARACTERS, "too large"),
        ],
    )
    def test_unreadable(self, content: str | bytes | None, words: str) -> None:
        """One that cannot be used is reported, and the rest is imported."""
        draft = included({} if content is None else {"/etc/llm/more.yaml": content})
        assert [each.name for each in draft.models] == ["a"]
        assert words in lost(draft)["include[0]"]

    def test_nested(self) -> None:
        """An included file may include others, beside itself; each is read once."""
        third = "include: [../config.yaml, more.yaml]\nmodel_list: [{model_name: c, litellm_params: {model: groq/c}}]\n"
        files: dict[str, str | bytes] = {
            "/etc/llm/parts/more.yaml": "include: third.yaml\n" + MORE,
            "/etc/llm/parts/third.yaml": third,
        }
        draft = included(files, name="parts/more.yaml")
        assert [each.name for each in draft.models] == ["a", "b", "c"]
        assert lost(draft) == {}

    def test_too_many(self) -> None:
        """A chain of includes has an end."""
        files: dict[str, str | bytes] = {
            f"/etc/llm/{number}.yaml": f"include: {number + 1}.yaml" for number in range(90)
        }
        assert [*lost(included(files, name="0.yaml"))] == ["48.yaml:include[0]"]

    def test_standard_input(self) -> None:
        """A file from standard input is nowhere, so nothing is relative to it."""
        assert "standard input" in lost(included({}, path=""))["include[0]"]


class ReaderTests:
    """The file as a whole."""

    def test_words(self) -> None:
        """It is known how to go back."""
        draft = draft_of("model_list:\n  - {model_name: a, litellm_params: {model: groq/a}}\n")
        assert (draft.tool, draft.how_back) == ("LiteLLM", "litellm --config config.yaml")

    @pytest.mark.parametrize(
        "text", ["model_list: []", "model_list:\n  - x\n  - {a: b}", "litellm_settings: {cache: true}"]
    )
    def test_no_models(self, text: str) -> None:
        """A file without a model is a draft without a backend."""
        assert draft_of(text).backends == []
        assert text.startswith("model_list:\n") or "in its database" in lost(draft_of(text))["model_list"]

    def test_words_for_a_shell(self) -> None:
        """The command to go back with can be pasted, wherever the file is."""
        source = Source(text="model_list: []", path="my config.yaml", read=lambda _path: b"")
        assert read_litellm(source).how_back == "litellm --config 'my config.yaml'"

    def test_refused(self) -> None:
        """What is not YAML is refused, without a word of it."""
        with pytest.raises(NotUsable) as caught:
            draft_of("model_list: [sk-1a2b3c: d: e")
        assert "sk-1a2b3c" not in str(caught.value)
