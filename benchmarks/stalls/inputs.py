"""The inputs: requests of a client and answers of a backend that are as large, or as bad, as they may be.

Most stand just below a bound, where the most work is done; those far above it show that it is refused cheaply.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from attrs import frozen

MIB = 1 << 20
EVENT = 4 * MIB - 4096
"""Just below the default of ``max_event``."""

CONFIGURATION = """
[server]
listen = tcp:0:interface=127.0.0.1
list_backend_models = yes
state_dir = none
[backend:b]
url = http://127.0.0.1:{port}/v1
dialect = generic
[backend:passing]
url = http://127.0.0.1:{port}
kind = anthropic
[model:passing]
backend = passing
name = m
signatures = checked
[model:plain]
backend = b
name = m
[model:recover]
backend = b
name = m
recover_tool_calls = yes
[model:shaped]
backend = b
name = m
structured_output = instruction
[model:basic]
backend = b
name = m
schema = basic
[model:mistral]
backend = b
name = m
schema = mistral
[model:moonshot]
backend = b
name = m
schema = moonshot
[model:gemini]
backend = b
name = m
schema = gemini
[model:bare]
backend = b
name = m
schema = bare
"""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n\r\n"


@frozen(kw_only=True)
class Input:
    """One input.

    :ivar make: returns the client's request, whole, and the backend's answer, whole.
    :ivar list_: the answer is one to the question for the model list.
    """

    name: str
    make: Callable[[], tuple[bytes, bytes]]
    listed: bool = False


def post(body: bytes, *, path: str = "/v1/messages", coding: bytes = b"") -> bytes:
    """Return a request."""
    return (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nx-api-key: k\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\n%bContent-Length: %d\r\n\r\n%b" % (path.encode(), coding, len(body), body)
    )


def asking(messages: object, *, model: str = "plain", path: str = "/v1/messages", **more: object) -> bytes:
    """Return a request with these messages."""
    fields = {"model": model, "max_tokens": 99, "stream": True, "messages": messages, **more}
    return post(json.dumps(fields, ensure_ascii=False).encode(), path=path)


def user(content: object) -> list[dict[str, object]]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": content}]


HELLO = user("hello")


def events(*chunks: bytes) -> bytes:
    """Return an answer that streams these events and ends as it should."""
    end = (
        b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9}}'
    )
    framed = b"".join(b"data: %b\n\n" % chunk for chunk in (*chunks, end, b"[DONE]"))
    return HEAD % b"text/event-stream" + framed


def _zipped(answer: bytes) -> bytes:
    """Return an answer with its body packed."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    return head + b"\r\nContent-Encoding: gzip" + blank + gzip.compress(body, 9)


def delta(inside: bytes) -> bytes:
    """Return a chunk with one delta."""
    return b'{"choices":[{"index":0,"delta":{%b}}]}' % inside


def call(arguments: bytes) -> bytes:
    """Return a chunk with a whole call whose arguments are this JSON value."""
    return delta(b'"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":%b}}]' % arguments)


def text(number: int) -> dict[str, object]:
    """Return a short text block."""
    return {"type": "text", "text": f"word {number}"}


OK = events(delta(b'"content":"hi"'))
PASSED = HEAD % b"text/event-stream" + b"".join(
    b'event: %b\ndata: {"type":"%b"%b}\n\n' % (name, name, more)
    for name, more in (
        (b"message_start", b',"message":{"id":"msg_1","usage":{"input_tokens":9,"output_tokens":1}}'),
        (b"message_delta", b',"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}'),
        (b"message_stop", b""),
    )
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


def _calls(count: int) -> list[dict[str, object]]:
    uses = [{"type": "tool_use", "id": f"toolu_{n}", "name": "f", "input": {"a": n}} for n in range(count)]
    results = [{"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "ok"} for n in range(count)]
    return [*HELLO, {"role": "assistant", "content": uses}, {"role": "user", "content": results}]


def _pairs(count: int) -> list[dict[str, object]]:
    return [{"role": role, "content": f"{role} {n}"} for n in range(count // 2) for role in ("user", "assistant")]


def _schema(number: int, count: int) -> dict[str, object]:
    return {"type": "object", "properties": {f"p{number}_{n}": {"type": "string"} for n in range(count)}}


def _laughs(number: int) -> dict[str, object]:
    part = {f"q{n}": {"type": "string"} for n in range(100)}
    many = {f"p{number}_{n}": {"$ref": "#/$defs/a"} for n in range(1000)}
    return {"$defs": {"a": {"type": "object", "properties": part}}, "type": "object", "properties": many}


def _tools(count: int, schema: Callable[[int], dict[str, object]]) -> list[dict[str, object]]:
    return [{"name": f"t{n}", "description": "does it", "input_schema": schema(n)} for n in range(count)]


def _gzipped(body: bytes) -> bytes:
    return post(body, coding=b"Content-Encoding: gzip\r\n")


def _big(filler: bytes) -> bytes:
    return b'{"model":"plain","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"%b"}]}' % filler


def _big_content(form: bytes, item: bytes, last: bytes, count: int = 0) -> bytes:
    """Return a body of one message whose content is this form filled with items."""
    filler = item * (count or 31 * MIB // len(item)) + last
    return _big(b"").replace(b'"content":""', b'"content":' + form % filler)


def _filled(field: str, item: bytes) -> bytes:
    """Return a request that has a list of 31 MiB in a field."""
    filler = b",".join([item] * (31 * MIB // (len(item) + 1)))
    messages = b"" if field == "messages" else b'"messages":[{"role":"user","content":"hi"}],'
    return post(b'{"model":"plain","max_tokens":9,%b"%b":[%b]}' % (messages, field.encode(), filler))


def _array(open_: bytes, item: bytes, close: bytes, size: int) -> bytes:
    return open_ + b",".join([item] * (size // (len(item) + 1))) + close


def _models(count: int) -> bytes:
    entries = b",".join(b'{"id":"model-%d","object":"model"}' % number for number in range(count))
    return HEAD % b"application/json" + b'{"object":"list","data":[%b]}' % entries


def _nothings(count: int) -> bytes:
    return HEAD % b"application/json" + b'{"data":[%b]}' % b",".join([b"[]"] * count)


def _list() -> bytes:
    return b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx-api-key: other\r\nConnection: close\r\n\r\n"


def _lone_surrogate() -> bytes:
    return post(_big(b"\\ud800" + b"\\\\" * 1_900_000))


def requests() -> Iterator[Input]:
    """Yield what clients may send."""

    def sent(name: str, make: Callable[[], bytes]) -> Input:
        return Input(name=name, make=lambda: (make(), OK))

    yield sent("5,000 blocks of an unknown type", lambda: asking(user([{"type": "zzz", "x": 1}] * 5_000)))
    yield sent("800,000 of them (refused)", lambda: asking(user([{"type": "zzz", "x": 1}] * 800_000)))
    yield sent("20,000 text blocks", lambda: asking(user([text(n) for n in range(20_000)])))
    yield sent("10,000 messages", lambda: asking(_pairs(10_000)))
    yield sent("10,000 calls with results", lambda: asking(_calls(10_000)))
    yield sent("the same, counted", lambda: asking(_calls(10_000), path="/v1/messages/count_tokens"))
    yield sent("1,000 images", lambda: asking(user([IMAGE] * 1_000)))
    yield sent("2,000 tools", lambda: asking(HELLO, tools=_tools(2_000, lambda n: _schema(n, 2))))
    for level in ("basic", "mistral", "moonshot", "gemini", "bare"):
        yield sent(
            f"40 schemas of 2,400 properties, {level}",
            lambda level=level: asking(HELLO, model=level, tools=_tools(40, lambda n: _schema(n, 2_400))),  # type: ignore[misc]
        )
    for level in ("basic", "gemini", "bare"):
        yield sent(
            f"20 schemas whose references multiply, {level}",
            lambda level=level: asking(HELLO, model=level, tools=_tools(20, _laughs)),  # type: ignore[misc]
        )
    yield sent("3.8 MB of backslashes and a lone surrogate", _lone_surrogate)
    yield sent("one text of 31 MiB", lambda: post(_big(b"a" * (31 * MIB))))
    yield sent("31 MiB of line feeds", lambda: post(_big(b"a\\n" * (31 * MIB // 3))))
    yield sent("31 MiB of letters and emoji", lambda: post(_big(("a" * 20 + "\U0001f600").encode() * (31 * MIB // 24))))
    yield sent("31 MiB of empty messages (refused)", lambda: _filled("messages", b'{"role":"user","content":[]}'))
    yield sent("31 MiB of numbers as blocks (refused)", lambda: post(_big_content(b"[%b]", b"1,", b"1")))
    result = b'[{"type":"tool_result","tool_use_id":"t","content":[%b]}]'
    yield sent("the same in a tool result", lambda: post(_big_content(result, b"1,", b"1")))
    yield sent("31 MiB of numbers as a system prompt (refused)", lambda: _filled("system", b"1"))
    yield sent("31 MiB of stop sequences (refused)", lambda: _filled("stop_sequences", b'""'))
    yield sent("2.9 million empty tools (refused)", lambda: _filled("tools", b"{}" + b" " * 8))
    pdf = b'[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"%b"}}]'
    yield sent("a PDF of 31 MiB", lambda: post(_big_content(pdf, b"JVBE", b"JVBE")))
    call = b'[{"id":"a","name":"f","input":{"a":[%b]},"type":"tool_use"}]'
    deep = b"[" * 500 + b"]" * 500
    yield sent("2.9 million nested lists", lambda: post(_big_content(call, (deep + b",") * 5_850, b"1", 1)))
    unknown = b'[{"x":[%b],"type":"zzz"}]'
    yield sent(
        "the same in a block of an unknown type", lambda: post(_big_content(unknown, (deep + b",") * 5_850, b"1", 1))
    )
    tag = b"<CCR-SUBAGENT-MODEL>a</CCR-SUBAGENT-MODEL>"
    yield sent("31 MiB of tags of a subagent's model", lambda: post(_big(tag * (31 * MIB // len(tag)))))
    yield sent("31 MiB in 31 KB of gzip", lambda: _gzipped(gzip.compress(_big(b"a" * (31 * MIB)), 9)))
    yield sent("1 MB of empty gzip members", lambda: _gzipped(gzip.compress(b"") * 50_000))
    nested = _array(b'{"a":[', b'{"b":[]}', b"]}", 8 * MIB).decode()
    yield sent(
        "8 MiB of brackets as a call's input",
        lambda: asking([*HELLO, {"role": "assistant", "content": [_use(nested)]}, *HELLO]),
    )


def passed_on() -> Iterator[Input]:
    """Yield what clients may send to a backend that speaks their own API."""

    def sent(name: str, content: Callable[[], Iterator[list[dict[str, Any]]]]) -> Input:
        return Input(name=f"passed on: {name}", make=lambda: (_thoughts(content()), PASSED))

    few, many = 40, 4_990
    yield sent("31 MiB in 9,980 thinking blocks", lambda: ([_thought(1_500)] * 2 for _ in range(many)))
    yield sent("31 MiB in one message", lambda: iter([[_thought(15 * MIB), text(1), _thought(15 * MIB)]]))
    yield sent("20,000 small thinking blocks", lambda: ([_thought(9), text(1)] * 250 for _ in range(few)))
    brackets = [[]] * 2_900_000  # type: ignore[var-annotated]
    used = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": brackets}}
    yield sent("2.9 million empty lists as a call's input", lambda: iter([[_thought(9), used]]))


def _thought(size: int) -> dict[str, object]:
    return {"type": "thinking", "thinking": "a" * size, "signature": ""}


def _thoughts(answers: Iterator[list[dict[str, Any]]]) -> bytes:
    turns = [[*HELLO, {"role": "assistant", "content": blocks}] for blocks in answers]
    return asking([*chain.from_iterable(turns), *HELLO], model="passing")


def _use(nested: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": "f", "input": json.loads(nested)}


def answers() -> Iterator[Input]:
    """Yield what a backend may answer."""

    def got(name: str, make: Callable[[], bytes], **fields: object) -> Input:
        return Input(name=name, make=lambda: (asking(HELLO, **fields), make()))  # type: ignore[arg-type]

    def quoted(raw: bytes) -> bytes:
        return json.dumps(raw.decode()).encode()

    nested = _array(b'{"a":[', b'{"b":[]}', b"]}", EVENT)
    rows = _array(b'{"rows":[', b'{"id": 12345, "name": "a name", "tags": ["x", "y"]}', b"]}", MIB)
    code = json.dumps({"file": "x.py", "content": "    if x:\n        return 'y'\n" * (MIB // 30)}).encode()
    feeds = b'{"a": "' + b"\n" * (EVENT // 3) + b'"}'
    yield got("arguments in one event: 1 MiB of code", lambda: events(call(quoted(code))))
    yield got("1 MiB of rows", lambda: events(call(quoted(rows))))
    yield got("4 MiB of brackets as text", lambda: events(call(quoted(nested[: EVENT // 5 * 3] + b"]}"))))
    yield got("4 MiB of raw line feeds", lambda: events(call(quoted(feeds))))
    yield got("4 MiB as an object", lambda: events(call(nested)))
    yield got("15 MiB of brackets (refused)", lambda: events(call(_array(b'{"a":[', b'{"b":[]}', b"]}", 15 * MIB))))
    parts = _array(b"[", b'{"type":"text","text":"a"}', b"]", EVENT)
    yield got("content as a list of 4 MiB", lambda: events(delta(b'"content":' + parts)))
    choices = _array(b"[", b'{"index":1,"delta":{}}', b"]", EVENT)
    yield got("4 MiB of choices", lambda: events(b'{"choices":%b}' % choices))
    usage = _array(b"[", b'{"a":[]}', b"]", EVENT)
    yield got(
        "usage with a list of 4 MiB", lambda: events(b'{"choices":[],"usage":{"prompt_tokens":5,"x":%b}}' % usage)
    )
    yield got("an error of 4 MiB", lambda: events(b'{"error":{"message":"x","details":%b}}' % usage))
    yield got("24 MB of events in 80 KB of gzip", lambda: _zipped(events(*[delta(b'"content":"ab"')] * 500_000)))
    many = b"X-A: %b\r\n" % (b"a" * 10)
    yield got("200,000 header lines", lambda: b"HTTP/1.1 200 OK\r\n" + many * 200_000 + b"\r\n")
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    yield got("100,000 interim answers", lambda: interim * 100_000 + OK)
    for tag in (b"<tool_call>", b"<function=", b"<"):
        chunks = [delta(b'"content":%b' % json.dumps((tag * (16_384 // len(tag))).decode()).encode())] * 640
        yield got(
            f"10 MiB of {tag.decode()}, recovered",
            lambda chunks=chunks: events(*chunks),  # type: ignore[misc]
            model="recover",
            tools=_tools(3, lambda n: _schema(n, 2)),
        )
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    shape = {"format": {"type": "json_schema", "schema": {"type": "array", "uniqueItems": True}}}
    yield got(
        "a deep answer against a schema",
        lambda: events(delta(b'"content":' + quoted(deep))),
        model="shaped",
        output_config=shape,
    )
    long = delta(b'"content":"%b"' % (b"a" * 65_536))
    yield got("a whole answer of 20 MiB", lambda: events(*[long] * 320), stream=False)
    for count in (220_000, 4_900):
        yield Input(name=f"a list of {count:,} models", make=lambda count=count: (_list(), _models(count)), listed=True)  # type: ignore[misc]
    yield Input(name="a list of 2,600,000 times []", make=lambda: (_list(), _nothings(2_600_000)), listed=True)


def inputs() -> list[Input]:
    """Return all inputs, those of clients first."""
    return [*requests(), *passed_on(), *answers()]
