"""Settings files as people have them, and any others."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import strategies as st

HOOKS: Final = """{
  "$schema": "https://json.schemastore.org/claude-code-settings.json",
  "model": "opus",
  "cleanupPeriodDays": 30,
  "hooks": {
    "PostToolUse": [
      {"matcher": "Edit|Write", "hooks": [{"type": "command", "command": "npx prettier --write \\"$FILE\\""}]}
    ]
  },
  "enabledPlugins": {"formatter@team": true, "reviewer@team": false},
  "extraKnownMarketplaces": {
    "team": {"source": {"source": "github", "repo": "acme/plugins"}}
  },
  "statusLine": {"type": "command", "command": "~/.claude/line.sh", "padding": 0},
  "permissions": {
    "allow": ["Bash(git:*)", "Read(//etc/**)"],
    "deny": [],
    "defaultMode": "plan"
  }
}
"""

ROUTER: Final = """{
  "env": {
    "ANTHROPIC_AUTH_TOKEN": "sk-router-0123456789",
    "ANTHROPIC_API_KEY": "sk-ant-api03-0123456789",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
    "NO_PROXY": "127.0.0.1",
    "API_TIMEOUT_MS": "600000",
    "DISABLE_TELEMETRY": "true"
  },
  "apiKeyHelper": "echo sk-router-0123456789"
}
"""

SAMPLES: Final[dict[str, bytes]] = {
    "hooks and plugins": HOOKS.encode(),
    "another router's values": ROUTER.encode(),
    "empty file": b"",
    "blank file": b"\r\n",
    "empty object": b"{}",
    "empty object, its line ended": b"{}\n",
    "empty object on two lines": b"{\n}\n",
    "empty object with a blank": b"{ }",
    "empty env": b'{\n  "env": {},\n  "model": "opus"\n}\n',
    "empty env with blanks": b'{\n  "env": {\n  }\n}',
    "tabs": b'{\n\t"env": {\n\t\t"A": "1"\n\t},\n\t"permissions": {\n\t\t"allow": []\n\t}\n}\n',
    "CRLF": HOOKS.replace("\n", "\r\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + ROUTER.encode(),
    "byte order mark and CRLF": b"\xef\xbb\xbf" + ROUTER.replace("\n", "\r\n").encode(),
    "byte order mark alone": b"\xef\xbb\xbf",
    "no newline at the end": HOOKS.rstrip("\n").encode(),
    "newlines at the end": HOOKS.encode() + b"\n\n \n",
    "one line": b'{"model":"opus","env":{"A":"1"},"permissions":{"allow":["Read"]}}',
    "one line with blanks": b'{ "model": "opus", "env": { "A": "1" } }\n',
    "four columns": json.dumps(json.JSONDecoder().decode(HOOKS), indent=4).encode(),
    "no indentation": json.dumps(json.JSONDecoder().decode(ROUTER), indent=0).encode(),
    "other spellings": b'{"\\u0065nv" : {"ANTHROPIC_BASE_\\u0055RL" : "http:\\/\\/x" , "N": 1.50e+01}\n  ,"x":-0.0}\n',
    "nested env": b'{"env": {"A": "1"}, "mcpServers": {"env": {"env": {"ANTHROPIC_BASE_URL": "http://mcp"}}}}',
    "unicode": '{"language": "日本語 😀", "env": {"GRÜẞE": "é\u2028"}, "lone": "\\ud800"}\n'.encode(),
    "deep": b'{"x": ' + b'{"y": [' * 200 + b"null" + b"]}" * 200 + b"}",
    "huge": json.dumps({"permissions": {"allow": [f"Bash(tool-{n}:*)" for n in range(20_000)]}}, indent=2).encode(),
    "order and numbers": b'{"z": 1, "a": 2.0, "permissions": {"defaultMode": "acceptEdits"}, "m": 1e400}',
    "strange members": b'{"": {"": 0}, "env": {"": "", "a.b": "c"}, "//": "no comment", "a,": ["}", "{"]}',
}
"""Names and contents of files that can be edited."""

REFUSED: Final[dict[bytes, str]] = {
    b'{\n  // mine\n  "env": {}\n}\n': "line 2, column 3: a comment is not allowed",
    b'{"env": {} /* mine */}': "line 1, column 12: a comment is not allowed",
    b'{"env": {}} # mine': "line 1, column 13: a comment is not allowed",
    b'{"env": {},\n# mine\n"a": 1}': "line 2, column 1: a comment is not allowed",
    b'{"env": {"A": "1",},\n"a": 1}': "a comma after the last entry",
    b'{"a": [1, 2,\n]}': "a comma after the last entry",
    b'{"env": {}, "model": "opus", "env": {}}': 'line 1, column 30: the key "env" is there twice',
    b'{"a": [{"b": {"c": 1, "\\u0063": 2}}]}': r'the key "\u0063" is there twice',
    b"[]": "line 1, column 1: settings are one JSON object",
    b'\n"{}"': "line 2, column 1: settings are one JSON object",
    b"{'env': {}}": "line 1, column 2: this is not JSON",
    b'{"env": {}': "this is not JSON",
    b'{"a": "x\n"}': "this is not JSON",
    b'{"a": NaN}': "NaN is no number",
    b"{} {}": "line 1, column 4: the text goes on",
    b'{"a": ' + b"[" * 100_000: "nested too deeply",
    b'{\n"a": "\xff"}': "line 2: this is not UTF-8",
    b"\xff\xfe{\x00}\x00": "this is not UTF-8",
}
"""Contents of files that are refused, with words of the error."""

_space = st.sampled_from(["", "", " ", "\n", "  ", "\t", "\r\n", "\n    "])
_keys = st.sampled_from(["env", "A", "B", "permissions", "é", 'q"\\', ""]) | st.text(max_size=4)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@st.composite
def json_texts(draw: st.DrawFn) -> str:
    """Draw the text of an object, spaced in any way."""
    inner = st.recursive(
        _scalars,
        lambda below: st.lists(below, max_size=3) | st.dictionaries(_keys, below, max_size=3),
        max_leaves=8,
    )
    settings = draw(st.dictionaries(_keys, inner, max_size=5))
    for key in ("env", "permissions"):
        if key in settings and not isinstance(settings[key], dict):
            settings[key] = draw(st.dictionaries(_keys, _scalars, max_size=3))
    if draw(st.booleans()):
        text = json.dumps(
            settings, indent=draw(st.sampled_from([None, 0, 2, 4, "\t"])), ensure_ascii=draw(st.booleans())
        )
        text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    else:
        text = _spaced(draw, settings)
    text = text.encode("utf-8", "replace").decode()
    return draw(st.sampled_from(["", "\ufeff"])) + draw(_space) + text + draw(_space)


def _spaced(draw: st.DrawFn, value: Any) -> str:
    """Spell a value with white space anywhere."""
    if isinstance(value, dict):
        parts = [f"{_pad(draw, json.dumps(key))}:{_pad(draw, _spaced(draw, each))}" for key, each in value.items()]
        return "{" + (",".join(parts) or draw(_space)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_pad(draw, _spaced(draw, each)) for each in value) + "]"
    return json.dumps(value)


def _pad(draw: st.DrawFn, text: str) -> str:
    return draw(_space) + text + draw(_space)
