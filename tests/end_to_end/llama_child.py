"""Serve the demonstration's small model by llama.cpp, with another chat template and window than it has there.

Run as ``llama_child.py WINDOW [TEMPLATE]`` with the folder of the wheels in ``PYTHONPATH``; announces its address and
ends as `claude_bridge.demo.model_server` does.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from claude_bridge.demo.model_server import ALIAS, ANNOUNCEMENT, model_file

BATCH = 128
"""Tokens of a prompt between two looks at who has left, and between two reports of progress: about two seconds."""


def main() -> None:
    """Serve until standard input closes."""
    llama: Any = import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = str(model_file())
    parameters.model_alias = {ALIAS}
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.n_ctx, parameters.n_parallel, parameters.use_jinja = int(sys.argv[1]), 1, True
    parameters.n_batch = parameters.n_ubatch = BATCH
    parameters.endpoint_slots = True
    # Two threads spin on a barrier: on a busy machine they are ten times slower than one.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    for template in sys.argv[2:]:
        parameters.chat_template = Path(template).read_text()
    server = llama.Server(parameters)
    os.write(1, f"\n{ANNOUNCEMENT}{server.listening_address}\n".encode())
    sys.stdin.buffer.read()
    os._exit(0)  # the server's threads would keep an ordinary exit waiting


if __name__ == "__main__":
    main()
