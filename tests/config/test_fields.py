"""Values of single keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from claude_bridge.config.fields import (
    base_url,
    boolean,
    count,
    duration,
    header,
    host_name,
    origin,
    read_field,
    size,
    tokens,
)
from claude_bridge.config.secret import SecretSource
from claude_bridge.config.sections import KINDS
from tests.config.files import reading


def read_key(section: str, key: str, *lines: str) -> Any:
    """Read the lines of one key."""
    (attribute,) = (item for item in KINDS[section].keys if item.name == key)
    return read_field(attribute, lines, SecretSource({"UNSET_TO_NOTHING": ""}, reading()))


class ScalarTests:
    """Words and numbers."""

    @pytest.mark.parametrize(
        ("parse", "text", "value"),
        [
            (boolean, "yes", True),
            (boolean, "TRUE", True),
            (boolean, "on", True),
            (boolean, "1", True),
            (boolean, "No", False),
            (boolean, "false", False),
            (boolean, "off", False),
            (boolean, "0", False),
            (duration, "90", 90.0),
            (duration, "0.25", 0.25),
            (duration, "90s", 90.0),
            (duration, "1.5m", 90.0),
            (duration, "2 h", 7200.0),
            (duration, "90d", 7_776_000.0),
            (size, "65536", 65536),
            (size, "64K", 65536),
            (size, "32m", 33554432),
            (size, "1 GiB", 1073741824),
            (count, "131072", 131072),
            (tokens, "131072", 131072),
            (tokens, "128k", 128_000),
            (tokens, "1 M", 1_000_000),
        ],
    )
    def test_valid(self, parse: Callable[[str], object], text: str, value: object) -> None:
        """Each way to write a value is understood."""
        result = parse(text)

        assert result == value
        assert type(result) is type(value)

    @pytest.mark.parametrize(
        ("parse", "text"),
        [
            *((boolean, text) for text in ("", "y", "2", "yes please")),
            *((duration, text) for text in ("", "s", "10w", "1e3", "inf", "nan", "1,5", "٣", "10ms")),
            *((size, text) for text in ("", "M", "1.5M", "32X", "1e6")),
            *((tokens, text) for text in ("", "1.5k", "128kB", "1G", "9" * 5000)),
            *((count, text) for text in ("", "1.0", "128k", "1_000", "0x10", "9" * 5000)),
        ],
    )
    def test_invalid(self, parse: Callable[[str], object], text: str) -> None:
        """Anything else is refused with what would be right."""
        with pytest.raises(ValueError, match="must be"):
            parse(text)


class UrlTests:
    """Backend URLs are brought to one form."""

    @pytest.mark.parametrize(
        ("text", "base"),
        [
            ("http://127.0.0.1:8000/v1/chat/completions", "http://127.0.0.1:8000/v1"),
            ("http://127.0.0.1:8000/v1/chat/completions/", "http://127.0.0.1:8000/v1"),
            ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
            ("https://api.deepseek.com", "https://api.deepseek.com"),
            ("https://api.deepseek.com/", "https://api.deepseek.com"),
            ("https://open.example/api/paas/v4", "https://open.example/api/paas/v4"),
            ("HTTPS://Example.org/v1", "https://Example.org/v1"),
            ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ],
    )
    def test_base(self, text: str, base: str) -> None:
        """A full path and a base mean the same backend."""
        assert base_url(text) == base

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "begins with http"),
            ("127.0.0.1:8000/v1", "begins with http"),
            ("localhost:8000", "begins with http"),
            ("ftp://x/v1", "begins with http"),
            ("unix:/run/x", "begins with http"),
            ("http://", "begins with http"),
            ("http:///v1", "begins with http"),
            ("http://a b/v1", "begins with http"),
            ("http://x:port/v1", "not a valid URL"),
            ("http://x:70000/v1", "not a valid URL"),
            ("http://[::1/v1", "not a valid URL"),
            ("http://me:hidden@x/v1", "use api_key"),
            ("http://me@x/v1", "use api_key"),
            ("http://x/v1?key=hidden", "query"),
            ("http://x/v1?", "query"),
            ("http://x/v1#a", "query"),
        ],
    )
    def test_mistakes(self, text: str, message: str) -> None:
        """What is no plain http(s) URL is refused, without repeating it."""
        with pytest.raises(ValueError, match=message) as raised:
            base_url(text)
        assert "hidden" not in str(raised.value)


class ShapeTests:
    """Headers, hosts and origins."""

    def test_header(self) -> None:
        """A header is its name and its value, colons and all."""
        assert header("X-Title: a: b (c; d)") == ("X-Title", "a: b (c; d)")
        assert header("X-Empty:") == ("X-Empty", "")

    @pytest.mark.parametrize("text", ["", "no colon", ": value", "Bad Name: x", "X: ü"])
    def test_bad_header(self, text: str) -> None:
        """What is no header line is refused."""
        with pytest.raises(ValueError, match="must be a header"):
            header(text)

    @pytest.mark.parametrize("text", ["Authorization: Bearer hidden", "host: x", "Content-Length: 5"])
    def test_own_header(self, text: str) -> None:
        """A header that the bridge sets itself is refused."""
        with pytest.raises(ValueError, match="set by the bridge itself"):
            header(text)

    @pytest.mark.parametrize("text", ["bridge.home.arpa", "10.0.0.5", "[fe80::1]", "my_host"])
    def test_host(self, text: str) -> None:
        """Names and addresses are hosts."""
        assert host_name(text) == text

    @pytest.mark.parametrize("text", ["*", "*.example.org", "http://x", "x:80", "x/y", "::1", ""])
    def test_bad_host(self, text: str) -> None:
        """Patterns, URLs and ports are not."""
        with pytest.raises(ValueError, match="host name"):
            host_name(text)

    @pytest.mark.parametrize("text", ["http://localhost:3000", "chrome-extension://abc"])
    def test_origin(self, text: str) -> None:
        """Origins have a scheme and a host."""
        assert origin(text) == text

    @pytest.mark.parametrize("text", ["*", "null", "localhost:3000", "http://x/", "http://x/path", "http://u@x"])
    def test_bad_origin(self, text: str) -> None:
        """Patterns, `null` and URLs with a path would never match, or match too much."""
        with pytest.raises(ValueError, match="origin"):
            origin(text)


class ReadFieldTests:
    """Keys of the schema read their lines."""

    def test_list(self) -> None:
        """A list takes one entry a line, also none."""
        assert read_key("server", "allowed_hosts", "a", "b") == ("a", "b")
        assert read_key("server", "allowed_hosts") == ()

    def test_entry_of_nothing(self) -> None:
        """An entry whose variable holds nothing is left out."""
        assert read_key("server", "allowed_hosts", "${UNSET_TO_NOTHING}", "b") == ("b",)

    @pytest.mark.parametrize(
        ("lines", "levels"),
        [
            (("low", "high", "max"), ("low", "high", "max")),
            (("low, high, max",), ("low", "high", "max")),
            (("low,high", "max,"), ("low", "high", "max")),
            (("none",), ("none",)),
            (("none, high",), ("none", "high")),
            ((), ()),
        ],
    )
    def test_words(self, lines: tuple[str, ...], levels: tuple[str, ...]) -> None:
        """A list of words takes one per line as well as commas; a word of the list is that word, also `none`."""
        assert read_key("model", "reasoning_levels", *lines) == levels

    @pytest.mark.parametrize("lines", [("none",), ()])
    def test_nothing_to_drop(self, lines: tuple[str, ...]) -> None:
        """`none`, as the documents write it, and an empty value drop nothing."""
        assert read_key("model", "drop", *lines) == ()

    @pytest.mark.parametrize("lines", [("none, stop",), ("none", "stop"), ("stop; top_p",)])
    def test_no_such_words(self, lines: tuple[str, ...]) -> None:
        """Nothing and something at once is a mistake, and so is another delimiter."""
        with pytest.raises(ValueError, match="must be one of: "):
            read_key("model", "drop", *lines)

    def test_all_entries_are_checked(self) -> None:
        """Every wrong entry of a list is told by its number."""
        with pytest.raises(ValueError, match="entry") as raised:
            read_key("server", "allowed_hosts", "*", "good", "a b")
        assert [str(message)[:8] for message in raised.value.args] == ["entry 1:", "entry 3:"]

    def test_no_value(self) -> None:
        """A key without a value is told to be left out."""
        with pytest.raises(ValueError, match="has no value"):
            read_key("backend", "url")

    def test_too_many_values(self) -> None:
        """A single value on two lines is refused."""
        with pytest.raises(ValueError, match="takes one value"):
            read_key("backend", "url", "http://a", "http://b")

    def test_empty_text(self) -> None:
        """A text of nothing is refused."""
        with pytest.raises(ValueError, match="is empty"):
            read_key("model", "name", "${UNSET_TO_NOTHING}")

    @pytest.mark.parametrize(
        ("section", "key", "line", "message"),
        [
            ("server", "ping_interval", "0", "must be from"),
            ("backend", "idle_timeout", "2000h", "must be from"),
            ("limits", "max_body", "2G", "must be from"),
            ("model", "context_window", "0", "must be from"),
            (
                "model",
                "reasoning_echo",
                "tool_turn",
                r"did you mean tool_turns\? \(must be one of: current_turn, never",
            ),
            ("server", "credentials", "zzz", "must be one of: forward, keys, none"),
            ("backend", "dialect", "vlm", r"did you mean vllm\? \(must be one of: auto, generic, .*, vllm, .*\)$"),
            ("backend", "dialect", "zzzzzz", r"must be one of: anthropic, auto, azure, .*, openrouter, .*, zai$"),
            ("model", "drop", "stopp", r"did you mean stop\? \(must be one of: "),
        ],
    )
    def test_bounds(self, section: str, key: str, line: str, message: str) -> None:
        """Values out of bounds and words not on the list are refused with what is allowed."""
        with pytest.raises(ValueError, match=message):
            read_key(section, key, line)
