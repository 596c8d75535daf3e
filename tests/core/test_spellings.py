"""Promises of `claude_bridge.core.spellings`: a credential is found in whatever spelling it comes back."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from time import thread_time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.spellings import lowered, spans

KEY = "Ab\"9_x/'&<+%z-42"
LAYERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "repr": lambda text: repr(text)[1:-1],
    "json": lambda text: json.dumps(text)[1:-1],
    "slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "\\u": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "\\U": lambda text: "".join(f"\\u{ord(each):04X}" for each in text),
    "\\x": lambda text: "".join(f"\\x{ord(each):02x}" for each in text),
    "some \\u": lambda text: "".join(f"\\u{ord(each):04x}" if each in "<>&'+\"\\" else each for each in text),
    "url": lambda text: quote(text, safe=""),
    "url path": quote,
    "url, all of it": lambda text: "".join(f"%{ord(each):02x}" for each in text),
    "html": html.escape,
    "html numbers": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "html hexadecimal": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
}
LAYER = st.sampled_from(sorted(LAYERS))


def found(text: str, credential: str = KEY) -> list[str]:
    """Return the parts of ``text`` that are the credential."""
    return [text[start:end] for start, end in sorted(set(spans(text, [lowered(credential)])))]


class SpansTests:
    """Where a credential stands."""

    @pytest.mark.parametrize("layer", LAYERS)
    def test_each_spelling(self, layer: str) -> None:
        """Each spelling is found, to the character."""
        spelled = LAYERS[layer](KEY)
        assert found(f"before {spelled} behind") == [spelled]

    @given(LAYER, LAYER, LAYER)
    def test_layers(self, first: str, second: str, third: str) -> None:
        """Spellings on top of each other are found too."""
        spelled = LAYERS[third](LAYERS[second](LAYERS[first](KEY)))
        assert spelled in found(f"<{spelled}>")

    @pytest.mark.parametrize(
        "before", ["\\n", "\\t", "%22", "%20", "\\u0022", "\\x22", "&quot;", "&#34;", '\\"', "\\\\n"]
    )
    def test_right_behind_an_escape(self, before: str) -> None:
        """Letters and digits of an escape are no part of the credential's token."""
        assert found(f"key:{before}the-owners-key{before}", "the-owners-key") == ["the-owners-key"]

    @pytest.mark.parametrize("text", ["notifications", "a_notification", "re-notification", "notification2"])
    def test_whole_tokens(self, text: str) -> None:
        """A credential in the middle of a longer word is none."""
        assert found(text, "notification") == []

    def test_all_of_them(self) -> None:
        """It is found as often as it stands there, also behind a longer word that begins like it."""
        assert found("notifications notification,NOTIFICATION", "notification") == ["notification", "NOTIFICATION"]

    def test_odd_letters(self) -> None:
        """Letters that are longer in lower case do not shift what is found."""
        assert found("\u0130\u0130 the-owners-key", "the-owners-key") == ["the-owners-key"]

    @given(st.text(), st.text(min_size=1))
    def test_any_text(self, text: str, credential: str) -> None:
        """No text and no credential makes it fail, and what is found lies inside."""
        assert all(0 <= start < end <= len(text) for start, end in spans(text, [lowered(credential)]))

    @pytest.mark.parametrize(
        ("unit", "credential"),
        [
            *(("a", "a" * 5000), ("a", "=" + "a" * 5000), ("\\", "\\" * 5000), ("\\u0061", "a" * 5000)),
            *(("%25", "%" * 5000), ("&amp;", "&" * 500), ("ab-", "ab-" * 500 + "c"), ("=", "=" * 500)),
        ],
    )
    def test_linear(self, unit: str, credential: str) -> None:
        """A text made to be slow to search is not."""
        begun = thread_time()
        list(spans(unit * (100_000 // len(unit)) + "x", [lowered(credential)]))
        assert thread_time() - begun < 2
