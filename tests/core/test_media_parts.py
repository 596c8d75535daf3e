"""Tests for `claude_bridge.core.media_parts`.

Images and documents for models that take some of them or none.
"""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.media_parts import NO_IMAGE
from tests.core.asking import IMAGE, IMAGE_PART, assistant, result, sent, system, text, use, user

DATA = "JVBERi0xLjQK"
DOCUMENTS = {DATA: "page one"}
FILE = {"type": "file", "file": {"filename": "T", "file_data": f"data:application/pdf;base64,{DATA}"}}


def pdf(data: str = DATA, title: str | None = "T", **more: object) -> dict[str, Any]:
    """Build a PDF document."""
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    return {"type": "document", "source": source, "title": title, **more}


def content(*blocks: object, target: Target, documents: dict[str, str] | None = None) -> Any:
    """Return the content of the user message that these blocks become."""
    (message,) = sent(user(*blocks), target=target, documents=documents or {})["messages"]
    return message["content"]


def answer(*blocks: object, target: Target, documents: dict[str, str] | None = None) -> Any:
    """Return the tool message whose content these blocks are, and what follows it."""
    messages = [user("hi"), assistant(use("a")), user(result("a", list(blocks)))]
    return sent(*messages, target=target, documents=documents or {})["messages"][2:]


class ImageTests:
    """Images."""

    def test_omitted(self) -> None:
        """A note stands for an image that the model cannot see, in the user's words and in results."""
        blind = Target(model="m", images="omit")
        assert content(text("see"), IMAGE, target=blind) == f"see\n\n{NO_IMAGE}"
        (told,) = answer(text("see"), IMAGE, target=blind)
        assert told["content"] == f"see\n{NO_IMAGE}"
        assert NO_IMAGE == "[image omitted: this model cannot see images]"

    @pytest.mark.parametrize(
        "messages",
        [
            [user(IMAGE)],
            [system(IMAGE)],
            [user("hi"), assistant(use("a")), user(result("a", [IMAGE]))],
            [user(result("a", [IMAGE]))],
            [user({"type": "document", "source": {"type": "content", "content": [IMAGE]}})],
        ],
    )
    def test_refused(self, messages: list[Any]) -> None:
        """The client hears the word that makes it take images out, wherever one stands."""
        with pytest.raises(InvalidRequest, match=r"capability_rejected: image_block \(this model cannot see images\)"):
            sent(*messages, target=Target(model="m", images="refuse"))

    def test_none_to_refuse(self) -> None:
        """Without an image there is nothing to refuse, nor where a note stands for it anyway."""
        target = Target(model="m", images="refuse")
        assert content(text("a"), target=target) == "a"
        assert (
            sent(user("a"), assistant(IMAGE), user("b"), target=target)["messages"][1]["content"] == "[image omitted]"
        )

    def test_in_tool_messages(self) -> None:
        """Where tool messages may hold images they do, in their places; nothing follows."""
        target = Target(model="m", tool_images=True)
        (told,) = answer(text("see"), IMAGE, text("and"), target=target)
        assert told["content"] == [{"type": "text", "text": "see"}, IMAGE_PART, {"type": "text", "text": "and"}]
        (told,) = answer(IMAGE, target=target)
        assert told["content"] == [IMAGE_PART]
        (told,) = answer(text("see"), target=target)
        assert told["content"] == "see"

    @pytest.mark.parametrize(
        ("blocks", "texts"),
        [
            ([text("see"), IMAGE], ["[tool error] see"]),
            ([IMAGE], ["[tool error]"]),
            ([text("<error>x"), IMAGE], ["<error>x"]),
        ],
    )
    def test_failed_tool(self, blocks: list[Any], texts: list[str]) -> None:
        """A failed tool's images come with the word that it failed."""
        messages = [user("hi"), assistant(use("a")), user(result("a", blocks, is_error=True))]
        told = sent(*messages, target=Target(model="m", tool_images=True))["messages"][2]
        assert [part["text"] for part in told["content"] if part["type"] == "text"] == texts
        assert told["content"][-1] == IMAGE_PART

    def test_orphan(self) -> None:
        """A result without a call is the user's text with the image beside it, there too."""
        told = content(result("t", [text("said"), IMAGE]), target=Target(model="m", tool_images=True))
        assert told[0]["text"] == "[tool result without call: t] said\n[image 1]"
        assert told[-1] == IMAGE_PART


class PdfTests:
    """PDF documents."""

    def test_file(self) -> None:
        """A server that takes files gets the file."""
        target = Target(model="m", pdf="file")
        assert content(pdf(), target=target, documents=DOCUMENTS) == [FILE]
        told, shown = answer(pdf(), target=Target(model="m", pdf="file", tool_images=True))
        assert told["content"] == "[document 1]"
        assert shown["content"][1] == FILE

    def test_text(self) -> None:
        """Any other gets its text under its title, in the user's words and in results."""
        target = Target(model="m")
        assert content(text("see"), pdf(), target=target, documents=DOCUMENTS) == "see\n\nDocument: T\npage one"
        (told,) = answer(text("see"), pdf(), target=target, documents=DOCUMENTS)
        assert told["content"] == "see\nDocument: T\npage one"
        assert content(pdf(title=None), target=target, documents=DOCUMENTS) == "Document: document.pdf\npage one"
        assert content(pdf(context="C"), target=target, documents=DOCUMENTS) == "Context: C\n\nDocument: T\npage one"

    def test_no_words(self) -> None:
        """A PDF in which there is no text is still named."""
        assert content(pdf(), target=Target(model="m"), documents={DATA: ""}) == "Document: T\n"

    def test_unread(self) -> None:
        """A note stands for a PDF whose text nobody took out."""
        assert content(pdf(), target=Target(model="m")) == "[document omitted: T]"
        assert content(pdf(), target=Target(model="m"), documents={"other": "x"}) == "[document omitted: T]"

    @pytest.mark.parametrize("inside", [False, True])
    def test_refused(self, inside: bool) -> None:
        """The client hears the word that makes it take documents out."""
        with pytest.raises(InvalidRequest, match=r"capability_rejected: document_block \(this model cannot read PDF"):
            content(result("a", [pdf()]) if inside else pdf(), target=Target(model="m", pdf="refuse"))

    def test_text_documents(self) -> None:
        """A document that is text anyway is never refused."""
        block = {"type": "document", "source": {"type": "text", "data": "body"}}
        assert content(block, target=Target(model="m", pdf="refuse")) == "body"
