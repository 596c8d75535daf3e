"""Promises of the log's lines: each is one JSON object, or readable text, and carries no secret."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher, formatEvent
from twisted.python.failure import Failure
from twisted.python.log import LogPublisher as LegacyLogPublisher

from claude_bridge.config.secret import Secret
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.logs.render import (
    MAX_LINE_BYTES,
    MAX_TEXT_CHARACTERS,
    MAX_TRACEBACK_CHARACTERS,
    Redact,
    json_line,
    message_of,
    text_line,
)

read = json.JSONDecoder().decode
DATE = len("2026-11-30 13:19:17 ")


def unchanged(text: str) -> str:
    """Redact nothing."""
    return text


def failure(message: str = "boom") -> Failure:
    """Make a failure that has a traceback."""
    try:
        raise ValueError(message)  # noqa: TRY301 - the traceback is the point
    except ValueError:
        return Failure()


def collector(lines: list[str], redact: Redact = unchanged) -> ILogObserver:
    """Make an observer that collects JSON lines."""
    return cast("ILogObserver", lambda event: lines.append(json_line(event, redact)))


def rendered(log_call: Callable[[Logger], object], redact: Redact = unchanged) -> dict[str, Any]:
    """Log something and read back its JSON line."""
    lines: list[str] = []
    log_call(Logger("tests", observer=collector(lines, redact)))
    (line,) = lines
    found: dict[str, Any] = read(line)
    return found


class JsonLineTests:
    """The JSON format."""

    def test_fields(self) -> None:
        """A line has time, level, event, message and the call's own values, in this order."""
        found = rendered(lambda log: log.info("on {host}:{port}", event="listening", host="::1", port=8080))
        time = found.pop("time")
        assert list(found.items()) == [
            ("level", "info"),
            ("event", "listening"),
            ("message", "on ::1:8080"),
            ("host", "::1"),
            ("port", 8080),
        ]
        assert time.endswith("Z")
        assert len(time) == len("2026-01-01T00:00:00.000Z")

    def test_time_is_utc_with_milliseconds(self) -> None:
        """The time is RFC 3339 in UTC, whatever the local zone."""
        line = read(json_line({"log_time": 1_767_225_600.0625}, unchanged))
        assert line["time"] == "2026-01-01T00:00:00.062Z"

    def test_line_without_event(self) -> None:
        """Somebody else's log call is called `log` and says where it came from."""
        found = rendered(lambda log: log.warn("hello"))  # noqa: G010 - Twisted's name
        assert (found["event"], found["logger"], found["level"]) == ("log", "tests", "warn")

    def test_objects_stay_out(self) -> None:
        """Values that are no plain data, secrets and bytes among them, are left out rather than printed."""
        found = rendered(
            lambda log: log.info("x", event="e", secret=Secret("hidden-value"), raw=b"x", thing=object(), n=[1, b"y"])
        )
        assert set(found) == {"time", "level", "event", "message", "n"}
        assert found["n"] == [1]

    def test_nested_values(self) -> None:
        """Lists and mappings of plain values are kept, what is not finite becomes text."""
        found = rendered(lambda log: log.info("x", attempts=[{"status": 503, "seconds": float("inf")}], none=None))
        assert found["attempts"] == [{"status": 503, "seconds": "inf"}]
        assert found["none"] is None

    def test_own_fields_cannot_be_overwritten(self) -> None:
        """A value named like one of our fields does not replace it."""
        found = rendered(lambda log: log.info("true", event="e", time="never", message="false"))
        assert found["message"] == "true"
        assert found["time"] != "never"

    def test_failure(self) -> None:
        """A failure becomes its error and its traceback."""
        found = rendered(lambda log: log.failure("serving {what} failed", failure(), what="it"))
        assert (found["level"], found["message"], found["error"]) == (
            "critical",
            "serving it failed",
            "ValueError: boom",
        )
        assert "raise ValueError(message)" in found["traceback"]

    def test_legacy_error(self) -> None:
        """An error logged by Twisted's old functions has its message, and its traceback only once."""
        lines: list[str] = []
        publisher = LogPublisher(collector(lines))
        legacy = LegacyLogPublisher(observerPublisher=publisher, publishPublisher=publisher)
        legacy.msg("plain", system="old")
        legacy.msg(failure=failure(), why="it broke", isError=1)
        plain, error = (read(line) for line in lines)
        assert plain["message"] == "plain"
        assert (error["level"], error["message"], error["error"]) == ("critical", "it broke", "ValueError: boom")

    def test_never_too_long_for_the_journal(self) -> None:
        """A line stays below journald's limit however much was logged, and says that it was cut."""
        text = "\U0001f600" * 10_000
        found = rendered(lambda log: log.info("{a}", event="e", a=text, b=[text] * 50))
        assert found["truncated"] is True
        assert found["message"].startswith("\U0001f600")

    def test_traceback_keeps_its_end(self) -> None:
        """Of a very long traceback the end is kept, where the cause is."""
        found = rendered(lambda log: log.failure("x", failure("a" * 20_000 + "the cause")))
        assert len(found["traceback"]) <= MAX_TRACEBACK_CHARACTERS
        assert found["traceback"].rstrip().endswith("the cause")

    @given(
        st.text(),
        st.dictionaries(
            st.text(),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            ),
        ),
    )
    def test_always_one_valid_line(self, message: str, values: dict[str, object]) -> None:
        """Whatever is logged, the line is one line of strict JSON."""
        event = {**values, "log_format": "{m}", "m": message, "log_level": LogLevel.info, "log_time": 1.0}
        line = json_line(event, unchanged)
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= MAX_LINE_BYTES
        strict = json.JSONDecoder(parse_constant=pytest.fail)
        assert strict.decode(line)["level"] == "info"


numbers = st.integers() | st.floats() | st.floats(-1e3, 1e3) | st.integers(-20, 20).map(lambda power: 10.0**power)
texts = st.text() | st.text(st.characters(max_codepoint=127)) | st.just("\ud800")


class EncodingTests:
    """What is written faster is written the same."""

    @given(
        st.dictionaries(
            texts.filter(lambda name: not name.startswith("log_")),
            st.recursive(
                st.none() | st.booleans() | numbers | texts,
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2),
                max_leaves=4,
            ),
            max_size=4,
        ),
        texts,
    )
    def test_same_as_json(self, values: dict[str, object], message: str) -> None:
        """A line is byte for byte what the standard library's encoder makes of it, in ASCII or not."""
        event = {"log_time": 1.0, **values, "log_format": "{log_text}", "log_text": message}
        line = json_line(event, unchanged)
        assert line == json.dumps(json.loads(line), separators=(",", ":"))

    @pytest.mark.parametrize(
        ("value", "written"),
        [
            (1e-4, "0.0001"),
            (9.9e-5, "9.9e-05"),
            (-1e-7, "-1e-07"),
            (1e16, "1e+16"),
            (9999999999999998.0, "9999999999999998.0"),
            (-0.0, "-0.0"),
            (5e-324, "5e-324"),
            (2**63 - 1, "9223372036854775807"),
            ("\x7f", r'"\u007f"'),
            ('\x00\x1f\b\t\n\f\r"\\/', r'"\u0000\u001f\b\t\n\f\r\"\\/"'),
            ("\ud800", '"?"'),
            ("\u00e9\u2028\U0001f600", r'"\u00e9\u2028\ud83d\ude00"'),
        ],
    )
    def test_spelling(self, value: object, written: str) -> None:
        """Numbers and characters that the two encoders spell differently keep the standard library's spelling."""
        assert json_line({"log_time": 1.0, "event": "e", "x": value}, unchanged).endswith(f',"x":{written}}}')
        assert json_line({"log_time": 1.0, "event": "e", "x": [value]}, unchanged).endswith(f',"x":[{written}]}}')

    @given(texts)
    def test_ready_message(self, message: str) -> None:
        """A text that is ready is the message that Twisted makes of it."""
        event = {"log_format": "{log_text}", "log_text": message}
        assert message_of(event) == formatEvent(event)

    @pytest.mark.parametrize("text", [5, None, b"x", Secret("hidden-value")])
    def test_message_that_is_no_text(self, text: object) -> None:
        """Anything but a text is formatted by Twisted, and so is an event without one."""
        event = {"log_format": "{log_text}", "log_text": text}
        assert message_of(event) == formatEvent(event)
        assert message_of({"log_format": "{log_text}"}) == formatEvent({"log_format": "{log_text}"})


class RedactionTests:
    """No credential, in whatever field."""

    def test_no_credential_in_any_value(self) -> None:
        """A credential shows in no value of a line: message, value, nested key and value, error or traceback."""
        redact, text = Redactor(["the-owners-key-12"]), "<the-owners-key-12>"
        event = {
            "log_format": "{value}", "log_level": LogLevel.error, "log_time": 1.0, "event": text, "value": text,
            "nested": [text, {text: text}], "shown": repr(text), "coded": json.dumps(text),
            "log_failure": failure(text),
        }  # fmt: skip
        shown = json_line(event, redact) + text_line(event, redact, colour=False)
        assert "the-owners-key" not in shown
        assert shown.count("<***>") > 7

    def test_field_names_stay(self) -> None:
        """What a line is searched by keeps its name, also where somebody takes a name for a key."""
        found = rendered(lambda log: log.info("x", event="e", input_tokens_in_all=1), Redactor(["input_tokens_in_all"]))
        assert found["input_tokens_in_all"] == 1

    def test_nothing_is_left_of_a_credential_at_the_cut(self) -> None:
        """A text that is cut for its length is not cut inside a credential."""
        key = "the-owners-key-" + "x" * 2000
        text = "a" * (MAX_TEXT_CHARACTERS - 1000) + " " + key + " " + "b" * 20_000
        found = rendered(lambda log: log.info("x", event="e", text=text), Redactor([key]))
        assert "the-owners" not in found["text"]
        assert "***" in found["text"]


class TextLineTests:
    """The format for people."""

    def test_short_and_aligned(self) -> None:
        """A line shows the time, the level, the event and the message, in columns."""
        lines = [
            text_line(
                {"log_format": "hello", "log_level": level, "log_time": 1.5, "event": event}, unchanged, colour=False
            )
            for level, event in ((LogLevel.info, "listening"), (LogLevel.error, "x"))
        ]
        assert lines[0][DATE:] == "info     listening        hello"
        assert lines[1][DATE:] == "error    x                hello"

    def test_date_and_time(self) -> None:
        """A line begins with local date and time, unless its reader has its own."""
        event = {"log_format": "hello", "log_level": LogLevel.info, "log_time": 1_796_044_757.9}
        moment = datetime.fromtimestamp(1_796_044_757, tz=UTC).astimezone()
        assert text_line(event, unchanged, colour=False).startswith(f"{moment:%Y-%m-%d %H:%M:%S} info ")
        assert text_line(event, unchanged, colour=False, dated=False) == "info     log              hello"

    def test_a_request_says_all_by_itself(self) -> None:
        """Its line has no columns before it, but for a level where somebody must act."""
        event = {"log_format": "main glm", "log_level": LogLevel.info, "log_time": 1.5, "event": "request"}
        assert text_line(event, unchanged, colour=False)[DATE:] == "main glm"
        warned = text_line({**event, "log_level": LogLevel.warn}, unchanged, colour=False)
        assert warned[DATE:] == "warn     main glm"

    def test_colour(self) -> None:
        """Only the level is coloured, and only where asked."""
        event = {"log_format": "hello", "log_level": LogLevel.warn, "log_time": 1.5}
        assert "\x1b[33mwarn    \x1b[0m log" in text_line(event, unchanged, colour=True)
        assert "\x1b" not in text_line(event, unchanged, colour=False)

    def test_nobody_can_forge_a_line(self) -> None:
        """Line ends and escape sequences in what a client sent are spelled out."""
        event = {
            "log_format": "{name}",
            "name": "a\n12:00 info \x1b[2J\u2028",
            "log_level": LogLevel.info,
            "log_time": 1.0,
        }
        assert text_line(event, unchanged, colour=False).endswith(r"a\n12:00 info \x1b[2J\u2028")

    def test_traceback_is_indented(self) -> None:
        """A traceback follows its line."""
        event = {"log_format": "x", "log_failure": failure(), "log_level": LogLevel.critical, "log_time": 1.0}
        first, *rest = text_line(event, unchanged, colour=False).split("\n")
        assert first.endswith("x")
        assert rest[-1] == "    builtins.ValueError: boom"

    def test_nobody_can_turn_a_line_around(self) -> None:
        """Characters that turn the order of letters around, or are not seen at all, are spelled out; others stay."""
        name = "a\u202ecba \u2066\u200b\xad\ufeff\U000e0041 \u3000\u00a0\u00fc"
        shown = text_line({"log_format": "{name}", "name": name, "log_time": 1.0}, unchanged, colour=False)
        assert shown.endswith("a\\u202ecba \\u2066\\u200b\\xad\\ufeff\\U000e0041 \u3000\u00a0\u00fc")

    def test_no_format_character_passes(self) -> None:
        """That holds for every format character and every control character of Unicode."""
        every = "".join(map(chr, range(sys.maxunicode + 1)))
        hidden = [each for each in every if unicodedata.category(each) in {"Cf", "Cc", "Zl", "Zp"}]
        event = {"log_format": "{name}", "name": "".join(hidden), "log_time": 1.0}
        shown = text_line(event, unchanged, colour=False)
        assert len(hidden) > 200
        assert not set(hidden) & set(shown)

    def test_green_is_for_what_went_well(self) -> None:
        """A request that failed is not shown in green, although it is no warning."""
        event = {"log_format": "x", "log_level": LogLevel.info, "log_time": 1.0, "event": "request"}
        assert text_line({**event, "status": 200}, unchanged, colour=True).startswith("\x1b[32m")
        assert text_line({**event, "status": 400}, unchanged, colour=True).startswith("\x1b[0m")
