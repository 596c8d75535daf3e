"""The demonstration itself: install, start, ask, explain, serve."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, TextIO

from attrs import frozen

from claude_bridge import children
from claude_bridge.children import Child, ExpectedFailure
from claude_bridge.client import environment, own_bridge
from claude_bridge.config.load import parse, read_file
from claude_bridge.demo import model_server, question
from claude_bridge.demo.packages import Terminal, find_or_install

QUESTION: Final = "What is the capital of France? Answer in one short sentence."
ALIAS: Final = "smollm2"
CONFIG: Final = """\
[server]
listen = tcp:0:interface=127.0.0.1
credentials = none
drain_timeout = 1

[backend:demo]
url = {url}/v1

[model:{alias}]
backend = demo
name = {name}
context_window = {window}

[route:default]
models = {alias}
"""
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED: Final = 130
# How long the output of a child that died takes at most to reach us, after its connection broke.
BLAME_SECONDS: Final = 0.5

TEMPLATE_INI: Final = """\
[backend:mine]
url = https://llm.chutes.ai/v1
api_key = ${CHUTES_API_KEY}

[model:glm]
backend = mine
name = zai-org/GLM-4.5-Air
context_window = 131072

[route:default]
models = glm
"""
TEMPLATE_URL: Final = "http://127.0.0.1:8080"


@frozen
class DemoBridge:
    """What the demonstration has started."""

    url: str
    any_ended: threading.Event
    processes: tuple[Child, ...]

    def blame(self) -> ExpectedFailure | None:
        """Return the failure of a child that has ended, if there is one."""
        return next((child.failure() for child in self.processes if child.ended), None)


def run(environ: Mapping[str, str], out: TextIO, err: TextIO, *, once: bool) -> int:
    """Return the demonstration and the exit status: 0 for success, 1 for a failure that has been explained."""
    try:
        with _stop_signals():
            _demonstrate(environ, out, once=once)
    except ExpectedFailure as error:
        err.write(f"claude-bridge demo: {error}\n")
        return 1
    except KeyboardInterrupt:
        err.write("\nStopped.\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough of it. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 1
    return 0


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Turn the first signal into `KeyboardInterrupt` and ignore the rest, so that nothing disturbs the clean-up."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _demonstrate(environ: Mapping[str, str], out: TextIO, *, once: bool) -> None:
    terminal = terminal_for(out)
    wheels = find_or_install(environ, terminal)
    with ExitStack() as stack:
        bridge = _start(wheels, environ, terminal, stack)
        _ask(bridge, out, terminal)
        if not once:
            terminal.say(explanation(bridge.url))
            _serve(bridge, terminal)


def terminal_for(out: TextIO) -> Terminal:
    """Make the way to talk to the user; lines are overwritten only where ``out`` is a terminal."""

    def say(text: str) -> None:
        out.write(text + "\n")
        out.flush()

    def overwrite(text: str) -> None:
        out.write(f"\r\x1b[K{text}")
        out.flush()

    return Terminal(say=say, overwrite=overwrite if out.isatty() else None)


def _start(wheels: Path, environ: Mapping[str, str], terminal: Terminal, stack: ExitStack) -> DemoBridge:
    """Start the model's server and the bridge, each on a free loopback port; ``stack`` ends them."""
    any_ended = threading.Event()
    own = {name: value for name, value in environ.items() if name not in own_bridge.OVERRIDES}
    path = os.pathsep.join([str(wheels), *filter(None, [environ.get("PYTHONPATH")])])
    # -P keeps the working directory, and whatever lies there, off the module path.
    python = (sys.executable, "-P", "-m")
    command = [*python, "claude_bridge.demo.model_server"]
    server = children.start("the llama.cpp server", command, {**own, "PYTHONPATH": path}, announced, any_ended)
    stack.callback(server.stop)
    model_url = server.address()
    terminal.say(f"llama.cpp serves the model at {model_url}")

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="claude-bridge-demo-"))
    file = Path(folder) / "claude-bridge.ini"
    file.write_text(configuration(model_url), encoding="utf-8")
    bridge = own_bridge.start(str(file), own, any_ended)
    stack.callback(bridge.stop)
    url = bridge.address()
    terminal.say(f"The bridge speaks the Anthropic Messages API at {url}")
    return DemoBridge(url, any_ended, (server, bridge))


def configuration(model_url: str) -> str:
    """Return the INI text for a bridge in front of the model's server."""
    return CONFIG.format(url=model_url, alias=ALIAS, name=model_server.ALIAS, window=model_server.WINDOW)


def announced(line: str) -> str | None:
    """Return the URL out of the model server's announcement."""
    return line.removeprefix(model_server.ANNOUNCEMENT) if line.startswith(model_server.ANNOUNCEMENT) else None


def _ask(bridge: DemoBridge, out: TextIO, terminal: Terminal) -> None:
    """Ask the one question, show the answer as it comes, and say what it cost."""

    def show(text: str) -> None:
        out.write(text)
        out.flush()

    terminal.say(f"\nQuestion: {QUESTION}")
    show("Answer:   ")
    try:
        answer = question.ask(bridge.url, ALIAS, QUESTION, show, time.monotonic)
    except ExpectedFailure as error:
        bridge.any_ended.wait(BLAME_SECONDS)
        raise bridge.blame() or error from None
    finally:
        terminal.say("")
    terminal.say(cost(answer))


def cost(answer: question.DemoAnswer) -> str:
    """Return what an answer cost in tokens and seconds."""
    return (
        f"          ({answer.input_tokens} tokens in, {answer.output_tokens} tokens out, "
        f"{answer.seconds:.1f} s, the first word after {answer.first_seconds:.1f} s)"
    )


def explanation(url: str) -> str:
    """Return how to go on: another question now, and Claude Code with a backend of one's own."""
    example = parse(TEMPLATE_INI, {"CHUTES_API_KEY": "the-users-own"}, read_file)
    lines = environment.as_shell(environment.settings(example, TEMPLATE_URL))
    request = '{"model":"smollm2","max_tokens":64,"messages":[{"role":"user","content":"Who are you?"}]}'
    return f"""
Ask it something else:
    curl {url}/v1/messages -H 'content-type: application/json' -d '{request}'

This model is too small for Claude Code itself, whose instructions fill most of its {model_server.WINDOW:,} tokens.
With a backend of your own, put this into claude-bridge.ini (address, key and model are examples)

{_indented(TEMPLATE_INI)}
start the bridge with

    claude-bridge run --config claude-bridge.ini

and set this for Claude Code (`claude-bridge env` prints it for your configuration):

{_indented(lines)}"""


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def _serve(bridge: DemoBridge, terminal: Terminal) -> None:
    """Wait for Ctrl-C, or for a child that ends by itself."""
    try:
        terminal.say(f"Serving at {bridge.url}. Ctrl-C ends it.")
        bridge.any_ended.wait()
    except KeyboardInterrupt:
        terminal.say("\nStopping.")
        return
    raise bridge.blame() or ExpectedFailure("a child process ended")
