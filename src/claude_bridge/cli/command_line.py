"""The command line of ``claude-bridge``: its parsers, and the commands."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn, get_args

from attrs import evolve, frozen

from claude_bridge.client import environment, status_setting
from claude_bridge.client.offer import Offer, of_bridge, of_configuration
from claude_bridge.client.offered_models import Limits, smallest
from claude_bridge.config import fields
from claude_bridge.config.directories import config_files, state_directory
from claude_bridge.config.dump import dump
from claude_bridge.config.load import load, parse, read_file
from claude_bridge.config.problems import EXIT_CONFIG, ConfigErrors, nearest
from claude_bridge.config.schema import Config, LogFormat, Model
from claude_bridge.config.variables import source_file
from claude_bridge.core.errors import BridgeError, RequestTooLarge
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.model_names import plain_name
from claude_bridge.daemon.standard_streams import open_closed
from claude_bridge.release import product

Serve = Callable[[Sequence[str]], object]
"""Runs the daemon with the arguments of ``twistd claude-bridge`` until it is stopped."""

_WITHOUT_COMMAND: Final = ("-h", "--help", "--version")

_OTHER_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("serve", "server", "daemon", "up"), "run"),
    **dict.fromkeys(("start", "code", "claude"), "launch"),
    **dict.fromkeys(("check", "validate", "test", "configtest", "lint"), "check-config"),
    **dict.fromkeys(("dump", "show", "config", "show-config", "print-config"), "dump-config"),
    **dict.fromkeys(("settings", "environment"), "env"),
    **dict.fromkeys(("configure", "install", "persist"), "setup"),
    **dict.fromkeys(("unconfigure", "uninstall", "restore"), "undo"),
    **dict.fromkeys(("route", "router", "routing", "table"), "routes"),
    **dict.fromkeys(("explain", "why"), "routes explain"),
    **dict.fromkeys(("prices", "price", "pricing"), "usage prices"),
    **dict.fromkeys(("keys", "token", "add-key", "new-key"), "key new"),
    **dict.fromkeys(("new", "wizard", "bootstrap"), "init"),
    **dict.fromkeys(("migrate", "convert"), "import"),
    **dict.fromkeys(("refresh", "reread", "hup"), "reload"),
    **dict.fromkeys(("accounts", "cost", "costs", "spend", "stats", "ledger"), "usage"),
    **dict.fromkeys(("status-line", "status_line", "statusLine"), "statusline"),
    **dict.fromkeys(("diagnose", "probe", "checkup", "health"), "doctor"),
}
"""Names that other programs have for these commands."""

_MAX_RECORD: Final = 1 << 20
"""Bytes that a saved request may have beyond its body: headers, and white space."""

_INTERRUPTED: Final = 130
"""The status of a shell for a command that Ctrl-C ended."""

_BROKEN: Final = 2
"""The doctor's status where Claude Code would not work."""

_MISUSE: Final = 2
"""The status for a command line that is not complete."""

_LAUNCH: Final = "launch"

_MODEL_OPTION: Final = "--model"
"""An option of other commands, and of Claude Code."""

_NO_STATUS_LINE: Final = "leave out the status line of claude-bridge"

_EXPLAIN: Final = "routes explain"
_PRICES: Final = "usage prices"
_NEW_KEY: Final = "key new"
_TWO_WORDS: Final = (_EXPLAIN, _PRICES, _NEW_KEY)
"""The commands of two words."""


@frozen
class Surroundings:
    """What the commands need from their process."""

    environ: Mapping[str, str]
    serve: Serve


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line; ``--help`` says more."""

    def error(self, message: str) -> NoReturn:
        """Write the line and exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Instead(argparse.Action):
    """An option of other servers; the error says what it is called here."""

    def __call__(self, parser: argparse.ArgumentParser, _namespace: object, values: Any, option: Any = None) -> None:  # noqa: ANN401 - as argparse has them
        """Report the error."""
        parser.error(f"there is no {option}: {self.const.format(values)}")


def main(arguments: Sequence[str] | None = None, surroundings: Surroundings | None = None) -> int:
    """Run the command that ``arguments`` name and return the exit status."""
    open_closed()
    given = _joined(sys.argv[1:] if arguments is None else list(arguments))
    given, behind = _divided(given)
    parser, commands = _parsers()
    if not given or given[0] not in {*commands, *_WITHOUT_COMMAND}:
        parser.error(_no_command(given, tuple(commands)))
    if _is_mistyped(given):
        commands[given[0]].error(f"there is no command {' '.join(given[:2])}, did you mean {_EXPLAIN}?")
    options, rest = parser.parse_known_args(given)
    chosen = commands[given[0]]
    if rest and given[0] == _LAUNCH and rest[0].partition("=")[0] == _MODEL_OPTION:
        chosen.error(f"give the model without {_MODEL_OPTION}: {_without_option(given, behind)}")
    if rest:
        chosen.error(_unknown(rest[0], chosen))
    options.error, options.arguments = chosen.error, behind
    try:
        status: int = options.command(options, surroundings or Surroundings(os.environ, _serve))
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return EXIT_CONFIG
    except KeyboardInterrupt:  # while somebody was asked, or an answer was awaited
        sys.stderr.write("\n")
        return _INTERRUPTED
    return status


def _serve(arguments: Sequence[str]) -> None:
    from claude_bridge.daemon import standalone  # noqa: PLC0415 - the other commands need nothing of Twisted

    standalone.serve(arguments)


def _joined(given: list[str]) -> list[str]:
    """Return the words of a command line, those of a command of two words as one."""
    both = " ".join(given[:2])
    return [both, *given[2:]] if both in _TWO_WORDS else given


def _is_mistyped(given: Sequence[str]) -> bool:
    """Return whether a command line means the command of two words, and names no file instead."""
    first, second = _EXPLAIN.split()
    if given[:1] != [first] or len(given) == 1 or Path(given[1]).exists():
        return False
    return nearest(given[1], [second]) is not None or _OTHER_WORDS.get(given[1]) == _EXPLAIN


def _divided(given: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of a command line before and behind ``--``, which stands before Claude Code's arguments."""
    if given[:1] != [_LAUNCH] or "--" not in given:
        return given, []
    at = given.index("--")
    return given[:at], given[at + 1 :]


def _without_option(given: Sequence[str], behind: Sequence[str]) -> str:
    """Return the command line of `launch` that somebody meant who wrote ``--model`` before the model."""
    words = [word.removeprefix(f"{_MODEL_OPTION}=") for word in given if word != _MODEL_OPTION]
    return shlex.join(["claude-bridge", *words, *(["--", *behind] if behind else [])])


def _no_command(given: Sequence[str], commands: Sequence[str]) -> str:
    """Return the error for a first word that is not a command."""
    if not given:
        return f"a command is missing: {', '.join(commands)}"
    if given[0].startswith("-"):
        return f"the command comes first, then its options: {', '.join(commands)}"
    meant = _OTHER_WORDS.get(given[0]) or nearest(given[0], commands)
    told = f"did you mean {meant}?" if meant else f"there are {', '.join(commands)}"
    return f"there is no command {given[0]}, {told}"


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """Return the error for a word that no command accepts."""
    actions = parser._option_string_actions  # noqa: SLF001 - argparse has no other way to ask, and has had this one always
    valid = [option for option, action in actions.items() if action.help != argparse.SUPPRESS]
    if parser.get_default("command") is launch and not nearest(word.partition("=")[0], valid):
        return f"{word} is not for this command: Claude Code's own arguments go after --, as in: launch -- {word}"
    if not word.startswith("-"):
        if parser.get_default("command") is doctor:
            return f"give one backend, or none for all of them: {word} is one too many"
        if parser.get_default("command") in (explain_route, setup, prices):
            return f"{word} is one word too many: name the configuration with --config"
        return (
            f"give one configuration file: {word} is one too many"
            if "--config" in valid
            else f"{word} is one word too many"
        )
    meant = nearest(word.partition("=")[0], valid)
    return f"there is no option {word}" + (f", did you mean {meant}?" if meant else "")


def _parsers() -> tuple[_Parser, dict[str, _Parser]]:
    """Return the parser of the command line, and those of the commands by name."""
    parser = _Parser(
        prog="claude-bridge",
        description="Run Claude Code on any OpenAI-compatible backend.",
        epilog="The daemon itself is `claude-bridge run`, or `twistd --nodaemon --pidfile= claude-bridge`.",
    )
    parser.add_argument("--version", action="version", version=product())
    commands = parser.add_subparsers(metavar="COMMAND")

    command = commands.add_parser(
        "demo", help="show the bridge with a real small model (127 MB, installed on first use)"
    )
    command.add_argument("--once", action="store_true", help="end after the first answer instead of serving on")
    command.set_defaults(command=demo)

    _launch_options(commands)

    command = _with_config(commands, "env", "print the settings for Claude Code")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--shell", action="store_true", help="as export lines (the default)")
    form.add_argument("--json", action="store_true", help="as a part of Claude Code's settings.json")
    form.add_argument("--vscode", action="store_true", help="as a part of VS Code's settings.json")
    form.add_argument("--aliases", action="store_true", help="as shell functions that start Claude Code, one per model")
    command.add_argument(
        "--url",
        help="the bridge's address as clients see it; a bridge that answers there is asked for its models; default: "
        "from the configuration",
    )
    command.add_argument("--no-statusline", action="store_true", help=f"with --json: {_NO_STATUS_LINE}")
    command.set_defaults(command=env)

    _setup_options(commands)

    command = _with_config(commands, "check-config", "report every mistake in the configuration")
    command.add_argument(
        "--online",
        action="store_true",
        help="check each backend too; spends no tokens; exit status 1 if one is down, cannot be used, or does not "
        "list a model that the configuration names",
    )
    command.set_defaults(command=check_config)
    _with_config(commands, "dump-config", "print the whole configuration, secrets hidden").set_defaults(
        command=dump_config
    )
    _with_config(commands, "routes", "print which models answer which requests").set_defaults(command=routes)
    told = "say which route a saved request takes, and why"
    command = commands.add_parser(_EXPLAIN, help=told, description=told)
    command.add_argument(
        "request",
        metavar="REQUEST",
        help="file with the JSON body, or with method, path, headers and body; - reads standard input",
    )
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=explain_route, file=None)
    for add_options in (
        _init_options,
        _import_options,
        _doctor_options,
        _usage_options,
        _prices_options,
        _key_options,
    ):
        add_options(commands)
    _run_options(_with_config(commands, "run", "run the bridge in the foreground"))

    told = "make the running bridge read its configuration again"
    command = commands.add_parser("reload", help=told, description=told)
    command.add_argument("--socket", metavar="PATH", help="its control socket; default: that of the bridge found here")
    command.set_defaults(command=reload)
    return parser, commands.choices


def _with_config(commands: argparse._SubParsersAction[_Parser], name: str, help_: str) -> _Parser:
    command = commands.add_parser(name, help=help_, description=help_)
    command.add_argument("file", nargs="?", metavar="FILE", help="configuration file; default: the usual places")
    command.add_argument("-c", "--config", metavar="FILE", help="the same as FILE")
    return command


def _launch_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    told = "start Claude Code here, and a bridge for it if none is running"
    command = commands.add_parser(
        _LAUNCH, help=told, description=told, usage="%(prog)s [MODEL] [options] [-- Claude Code's arguments]"
    )
    command.add_argument("model", nargs="?", metavar="MODEL", help="the model's name; default: as the bridge decides")
    command.add_argument(
        "--url", help="a bridge or a backend; default: the bridge of the configuration, or at 127.0.0.1:8080"
    )
    command.add_argument("--print", action="store_true", help="show the command and the settings, and run nothing")
    command.add_argument("--no-statusline", action="store_true", help=_NO_STATUS_LINE)
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=launch)


def _prices_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    told = "print which prices of models are known, and from where; asks the backends for their lists"
    command = commands.add_parser(_PRICES, help=told, description=told)
    command.add_argument("--all", action="store_true", help="show every model that a backend lists, too")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=prices)


def _key_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    told = "make a key for a client, print it once, and write its hash into the configuration"
    command = commands.add_parser(_NEW_KEY, help=told, description=told)
    command.add_argument("name", metavar="NAME", help="whose key it is, for the log and the accounts")
    command.add_argument("--print", action="store_true", help="show the section to add, and write nothing")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=new_key)
    told = "say how keys of clients are made and revoked"
    command = commands.add_parser("key", help=told, description=told)
    command.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    command.set_defaults(command=about_keys)


def _init_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    told = "write a first configuration file for a backend, asking for what no option gives, and examine it"
    command = commands.add_parser("init", help=told, description=told)
    command.add_argument("--url", help="the backend; default: asked for")
    command.add_argument(
        "--kind", choices=tuple(KINDS), default="openai", help="the API that it speaks; default: chat completions"
    )
    command.add_argument("--model", help="as the backend calls it; default: the only one, else asked for")
    command.add_argument(
        "--key-variable",
        metavar="NAME",
        default="",
        help="the variable that has the key when the bridge runs; default: the key is written into a separate file",
    )
    command.add_argument("-c", "--config", metavar="FILE", help="the file to write; default: the user's own")
    command.add_argument("--no-doctor", action="store_true", help="do not examine the backend afterwards")
    command.set_defaults(command=init)


def _import_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    told = "make a configuration file from that of Claude Code Router or LiteLLM"
    command = commands.add_parser(
        "import",
        help=told,
        description=told,
        epilog="Exit status 0: everything was carried over; 1: something was not, and is reported; 2: there is no "
        "result. Nothing of the other program is changed.",
    )
    command.add_argument("file", metavar="FILE", help="its config.json or config.yaml; - reads standard input")
    command.add_argument(
        "-o",
        "--output",
        metavar="INI",
        help="file to write, readable for you alone; default: standard output, where variables stand for secrets",
    )
    command.add_argument("--force", action="store_true", help="replace the output file if there is one")
    command.add_argument(
        "--keep-port", action="store_true", help="listen where the other program does, so that clients need no change"
    )
    command.set_defaults(command=import_file)


def _doctor_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    told = "find out what is wrong with a backend, Claude Code's settings or the service, and what to change"
    command = commands.add_parser("doctor", help=told, description=told)
    command.add_argument("backend", nargs="?", metavar="BACKEND", help="name of a [backend:NAME]; default: all")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.add_argument("--url", help="a backend that is in no file; its key is read from $BACKEND_API_KEY")
    command.add_argument("--model", default="", help="the model to ask; default: the first that is configured")
    command.add_argument("--json", action="store_true", help="print one JSON document")
    command.add_argument("--quick", action="store_true", help="leave out the checks that take many tokens")
    command.add_argument("--deep", action="store_true", help="run one turn of Claude Code through the bridge too")
    command.add_argument("--fix", action="store_true", help="print the lines for the configuration at the end")
    command.set_defaults(command=doctor)


def _usage_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    told = "show what was used, by whom, and what it cost"
    command = commands.add_parser(
        "usage",
        help=told,
        description=told,
        usage="%(prog)s [today | week | month | all | SINCE] [--by WHAT] [--json | --csv]\n"
        "       %(prog)s session ID [--json | --csv]\n"
        "       %(prog)s export [--since SINCE] [--format jsonl | csv]\n"
        "       %(prog)s prices [--all]\n"
        "       %(prog)s budgets [--json]\n"
        "       %(prog)s compact\n"
        "       %(prog)s forget --session ID | --key NAME",
        epilog="SINCE is a date (2026-11-30) or how long ago (24h, 7d, 4w); times are in UTC. The file can be read "
        "while the bridge runs.",
    )
    command.add_argument("words", nargs="*", metavar="WHAT", help="a period (default: today), or one of the above")
    command.add_argument(
        "--by",
        choices=("model", "backend", "key", "session", "agent", "day", "hour"),
        default="model",
        help="default: model",
    )
    command.add_argument("--since", metavar="SINCE", default="", help="the beginning of an export; default: all")
    form = command.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=f"print {name.upper()}")
    form.add_argument("--format", dest="form", choices=("jsonl", "csv"), help="of an export; default: jsonl")
    command.add_argument("--session", metavar="ID", default="", help="the session to forget")
    command.add_argument("--key", metavar="NAME", default="", help="the [key:NAME] to forget, with its sessions")
    command.add_argument("--database", metavar="FILE", help="the ledger's file; default: by the configuration")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=usage)


def _run_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``twistd claude-bridge``."""
    command.add_argument(
        "--listen",
        metavar="WHERE",
        help="PORT, HOST:PORT or a Twisted server endpoint string; overrides HOST_PORT and [server] listen",
    )
    command.add_argument(
        "--state-dir", metavar="DIR", help="directory for what is learned, or none; overrides [server] state_dir"
    )
    command.add_argument(
        "--log-format",
        choices=get_args(LogFormat),
        help="one object per line, or short text; default: [log] format, which is text on a terminal, else json",
    )
    command.add_argument("--check-config", action="store_true", help="report every mistake and exit")
    command.add_argument("--dump-config", action="store_true", help="print the whole configuration and exit")
    command.add_argument("--version", action="version", version=product())
    hidden: dict[str, Any] = {"action": _Instead, "help": argparse.SUPPRESS}
    command.add_argument("-p", "--port", const="--listen {} chooses the port, --listen HOST:PORT both", **hidden)
    command.add_argument(
        "--host", "--bind", const="--listen HOST:PORT chooses the address, in brackets that of IPv6", **hidden
    )
    command.set_defaults(command=run)


def _setup_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    """Add the commands that change Claude Code's settings, and the one that they name in these."""
    project = "the settings of this folder's project, .claude/settings.local.json, instead of the user's"
    told = "write the settings for Claude Code into its settings file"
    command = commands.add_parser("setup", help=told, description=told)
    command.add_argument("model", nargs="?", metavar="MODEL", help="model to use; default: from the configuration")
    command.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    command.add_argument("--project", action="store_true", help=project)
    command.add_argument("--no-statusline", action="store_true", help=_NO_STATUS_LINE)
    command.add_argument(
        "--managed",
        action="store_true",
        help="write the prices of the models into Claude Code's managed settings instead, so that its own cost "
        "figures are right; needs root",
    )
    command.add_argument("--print", action="store_true", help="with --managed: print the file, and write nothing")
    command.add_argument("--url", help="the bridge's address as clients see it; default: from the configuration")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=setup, file=None)
    told = "take back what `claude-bridge setup` changed"
    command = commands.add_parser("undo", help=told, description=told)
    command.add_argument("--project", action="store_true", help=project)
    command.add_argument("--managed", action="store_true", help="the prices in the managed settings; needs root")
    command.set_defaults(command=undo)
    told = "print the status line of Claude Code, which runs this command"
    commands.add_parser("statusline", help=told, description=told).set_defaults(command=statusline)


def _file(options: argparse.Namespace) -> str | None:
    """Return the configuration file that the command line names, as an option or an argument."""
    if options.file is not None and options.config is not None:
        options.error("give the configuration file once, as FILE or with --config")
    found: str | None = options.config if options.file is None else options.file
    return found


def demo(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Return the demonstration."""
    from claude_bridge.demo import show  # noqa: PLC0415 - the other commands need none of it

    return show.run(surroundings.environ, sys.stdout, sys.stderr, once=options.once)


def launch(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Start Claude Code, and return its exit status."""
    from claude_bridge.client import launch as launching  # noqa: PLC0415 - no other command needs it
    from claude_bridge.client.target import LaunchOrder  # noqa: PLC0415

    order = LaunchOrder(
        model=options.model,
        url=options.url,
        file=options.config,
        arguments=options.arguments,
        only_print=options.print,
        status_line=not options.no_statusline,
    )
    return launching.run(order, surroundings.environ, sys.stdout, sys.stderr)


def env(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print the settings for Claude Code, by the configuration and what is known of its models.

    With ``--url`` a bridge that answers there is asked for its models.
    """
    config = load(_file(options), surroundings.environ, resolve_secrets=False)
    url = options.url or environment.base_url(config) or ("" if options.aliases else None)
    if url is None:
        sys.stderr.write("claude-bridge env: no listener has a fixed TCP port; give the bridge's address with --url\n")
        return 1
    found = _offer(config, url, options, surroundings.environ)
    if options.aliases:
        chosen = ["--url", options.url] if options.url else []
        chosen = ["--config", str(Path(file).absolute())] if (file := _file(options)) and not chosen else chosen
        sys.stdout.write(environment.as_aliases([model.name for model in found.models], chosen))
    elif options.vscode:
        sys.stdout.write(environment.as_vscode(found.settings))
    elif options.json:
        status_line = None if options.no_statusline else status_setting.setting(sys.argv[0])
        sys.stdout.write(environment.as_json(found.settings, found.models, status_line))
    else:
        sys.stdout.write(_shell_lines(found, None if options.url else config, surroundings.environ))
    return 0


def _offer(config: Config, url: str, options: argparse.Namespace, environ: Mapping[str, str]) -> Offer:
    """Return what the bridge at ``url`` offers: as it says itself if ``--url`` names it, else by its configuration."""
    from claude_bridge.client import http_probe  # noqa: PLC0415 - not every command needs it

    published = http_probe.published_here(url, environ) if options.url else ()
    if published:
        return of_bridge(url, published, config)
    return of_configuration(config, url, _learned(config, environ))


def _learned(config: Config, environ: Mapping[str, str]) -> Limits:
    """Return window and longest answer of models as configured, else as a bridge here has found them out."""
    from claude_bridge.services.knowledge.store import restored  # noqa: PLC0415 - not every command needs it

    known = restored(state_directory(config.server.state_dir, environ), config.backends, KINDS).profiles

    def limits(model: Model) -> tuple[int | None, int | None]:
        window, longest = known.limits(model.backend, model.name, None)
        return model.context_window or window, smallest((model.max_output_tokens, longest))

    return limits


def _shell_lines(found: Offer, config: Config | None, environ: Mapping[str, str]) -> str:
    """Return the settings as export lines, with the settings files that win over them here."""
    from claude_bridge.client import settings_files, window_warning  # noqa: PLC0415 - few other commands need them

    stronger = settings_files.over_shell(found.variables | {environment.RIVAL: ""}, environ, Path.cwd())
    warning = window_warning.window_warning(found.models[0], config, [environ]) if found.models else ""
    return environment.as_shell(found.settings, stronger, warning)


def setup(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Write the settings for Claude Code into its settings file, or show what would change."""
    from claude_bridge.client import chosen_bridge, setup_command  # noqa: PLC0415 - no other command needs these
    from claude_bridge.client.person import Person  # noqa: PLC0415
    from claude_bridge.client.settings_draft import SetupError  # noqa: PLC0415

    if options.managed:
        return _setup_managed(options, surroundings.environ)
    if options.print:
        options.error("--print is for --managed; --dry-run shows what would change in the settings")
    if options.url is not None and not setup_command.is_address(options.url):
        options.error(f"--url {options.url} is not an address such as http://127.0.0.1:8080")
    if options.model is not None and not options.model.strip():
        options.error("MODEL is empty")
    if options.model is not None and options.model.endswith(".ini"):
        options.error(f"{options.model} is not a model: name the configuration with --config")
    environ, file = surroundings.environ, _file(options)
    config = load(file, environ, resolve_secrets=False)
    url = options.url or environment.base_url(config)
    if url is None:
        sys.stderr.write(
            "claude-bridge setup: no listener has a fixed TCP port; give the bridge's address with --url\n"
        )
        return 1
    order = chosen_bridge.BridgeOrder(
        url=environment.bridge_url(url),
        model=plain_name(options.model) if options.model else None,
        start="" if options.url else shlex.join(["claude-bridge", "run", *([] if file is None else [file])]),
    )
    wanted, person = (
        setup_command.Wanted(project=options.project, dry_run=options.dry_run, status_line=not options.no_statusline),
        Person(),
    )
    limits, asked = _learned(config, environ), None if options.dry_run else person
    try:
        bridge = chosen_bridge.chosen_bridge(order, config, limits, environ, asked)
    except SetupError as error:
        report = setup_command.Report(error=str(error))
    else:
        report = setup_command.set_up(bridge, environ, Path.cwd(), wanted, person)
    return report.write("setup", sys.stdout, sys.stderr)


def _setup_managed(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Write the prices of the models into Claude Code's managed settings, or print the file."""
    from claude_bridge.client import managed_prices  # noqa: PLC0415 - no other command needs these
    from claude_bridge.doctor import price_report  # noqa: PLC0415

    if options.model is not None or options.url is not None or options.project:
        options.error("--managed takes the prices of all models of a configuration, which --config names")
    config = load(options.config, environ)
    report = price_report.price_report(config)
    found = managed_prices.client_prices(config, report.price_of, report.pins(config.backends))
    if options.print or options.dry_run:
        sys.stdout.write(found.content)
        sys.stderr.writelines(f"warning: {note}\n" for note in found.notes)
        return 0
    written = managed_prices.write_prices(found, managed_prices.managed_file(), source_file(config.source))
    return written.write("setup", sys.stdout, sys.stderr)


def undo(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Restore what `setup` changed."""
    from claude_bridge.client import managed_prices, setup_command  # noqa: PLC0415 - few other commands need these

    prices = managed_prices.managed_file()
    if options.managed:
        if options.project:
            options.error("--managed is for all users and projects")
        return managed_prices.remove_prices(prices).write("undo", sys.stdout, sys.stderr)
    report = setup_command.take_back(surroundings.environ, Path.cwd(), project=options.project)
    if not options.project and prices.exists():
        told = f"{prices} has the prices of the bridge's models still: `{managed_prices.UNDO}` removes it"
        report = evolve(report, warnings=(*report.warnings, told))
    return report.write("undo", sys.stdout, sys.stderr)


def statusline(_options: argparse.Namespace, _surroundings: Surroundings) -> int:
    """Print the status line. Claude Code comes here by a shorter way, `claude_bridge.entry`."""
    from claude_bridge.client import status_line  # noqa: PLC0415 - no other command needs it

    return status_line.main()


def check_config(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print that the configuration is valid, and its warnings; mistakes are raised as `ConfigErrors`.

    Return 0; 1 if the backends are looked at, and one cannot be used or does not list a model that is configured.
    """
    config = load(_file(options), surroundings.environ)
    sys.stdout.write(f"{config.source}: valid\n")
    sys.stderr.writelines(f"warning: {warning}\n" for warning in config.warnings)
    if options.online:
        from claude_bridge.doctor import command  # noqa: PLC0415 - without the option nothing of it is needed

        states = command.online(config)
        sys.stdout.writelines(f"{state}\n" for state in states)
        return 0 if all(state.usable and not state.missing for state in states) else 1
    return 0


def init(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Write a first configuration file and examine the backend; return 0 if it works, if need be with limits."""
    from claude_bridge.children import ExpectedFailure  # noqa: PLC0415 - no other command needs these
    from claude_bridge.client import init as first_file  # noqa: PLC0415
    from claude_bridge.client.person import Person  # noqa: PLC0415

    environ = surroundings.environ
    wanted = first_file.Wanted(
        url=options.url, kind=options.kind, model=options.model, key_variable=options.key_variable, file=options.config
    )
    try:
        written = first_file.write_first_file(wanted, environ, Person())
    except ExpectedFailure as error:
        sys.stderr.write(f"claude-bridge init: {error}\n")
        return 1
    sys.stdout.write(str(written))
    status = 0
    if not options.no_doctor:
        from claude_bridge.doctor import command  # noqa: PLC0415 - two commands need it

        known = {**environ, options.key_variable: written.found.key} if written.found.key else environ
        config = load(str(written.path), known)
        order = command.Order(quick=True, local=False)
        status = command.run(config, order, known, command.Bridge(), out=sys.stdout, err=sys.stderr)
    named = f" --config {shlex.quote(str(written.path))}" if options.config else ""
    works = status < _BROKEN
    sys.stdout.write(f"{'next' if works else 'once that is fixed'}: claude-bridge launch{named}\n")
    return 0 if works else status


def new_key(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print a new key for a client, and add it to the configuration; the words go to standard error."""
    from claude_bridge.children import ExpectedFailure  # noqa: PLC0415 - no other command needs these
    from claude_bridge.client import new_key as making  # noqa: PLC0415

    try:
        made = making.new_key(options.name, options.config, surroundings.environ, only_print=options.print)
    except ExpectedFailure as error:
        sys.stderr.write(f"claude-bridge {_NEW_KEY}: {error}\n")
        return 1
    sys.stdout.write(f"{made.key}\n")
    sys.stdout.flush()
    sys.stderr.write(made.told)
    return 0


def about_keys(options: argparse.Namespace, _surroundings: Surroundings) -> int:
    """Report how keys are made; ``key`` alone is no command."""
    if options.words:
        options.error(f"there is no command key {options.words[0]}, did you mean {_NEW_KEY} NAME?")
    sys.stderr.write(
        "claude-bridge key new NAME makes a key for a client, prints it once, and adds [key:NAME] with its hash to\n"
        "the configuration. To revoke it, remove that section and run: claude-bridge reload\n"
        "What a client may use, and how much, is said in its section: models, routes, rpm, tpm, max_streams.\n"
    )
    return _MISUSE


def import_file(options: argparse.Namespace, _surroundings: Surroundings) -> int:
    """Make a configuration file from that of another program; return 0, 1 if something was not carried over, or 2."""
    from claude_bridge.importers import command  # noqa: PLC0415 - no other command needs it

    order = command.Order(file=options.file, output=options.output, keep_port=options.keep_port, force=options.force)
    return command.run(order, sys.stdout, sys.stderr)


def doctor(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print what is wrong and what to change; return 0 if all is well, 1 if there are limits, 2 if it is broken."""
    from claude_bridge.doctor import command  # noqa: PLC0415 - no other command needs it

    environ = surroundings.environ
    if options.url and (options.backend or options.config):
        options.error("--url is a backend that is in no file: give it alone, or BACKEND and --config")
    if options.url:
        _check_url(options)
        config = parse("", {**environ, "BACKEND_URL": options.url}, read_file)
    else:
        config = load(options.config, environ)
    if options.backend and options.backend not in config.backends:
        meant = nearest(options.backend, config.backends)
        names = f"did you mean {meant}?" if meant else f"there are {', '.join(config.backends)}"
        options.error(f"there is no backend {options.backend}, {names}")
    wanted = command.Order(
        backend=options.backend or "",
        model=options.model,
        quick=options.quick,
        deep=options.deep,
        by_option=bool(options.url),
        local=not options.url,
        json=options.json,
        fix=options.fix,
    )
    bridge = _bridge(config, options.config, environ)
    if wanted.local and bridge.url is not None:
        bridge = evolve(bridge, outdated=_outdated(config, bridge.url, options.config, environ))
    return command.run(config, wanted, environ, bridge, out=sys.stdout, err=sys.stderr)


def _outdated(config: Config, url: str, file: str | None, environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with Claude Code's settings that are of an earlier configuration."""
    from claude_bridge.client import outdated_settings  # noqa: PLC0415 - one command needs it

    found = outdated_settings.outdated_settings(config, url, _learned(config, environ), environ, Path.cwd(), file)
    return [str(each) for each in found]


def _check_url(options: argparse.Namespace) -> None:
    """Report a ``--url`` that is none, with what may have been meant."""
    try:
        fields.base_url(options.url)
    except ValueError as error:
        given, meant = f"--url {options.url}", ""
        if "://" not in options.url:
            bare = options.url.strip("/")
            meant = f", as in --url http://{bare}{'' if '/' in bare else '/v1'}"
        options.error(f"{given} {error}{meant}")


def _bridge(config: Config, file: str | None, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - imported by one command
    """Return what is known of the bridge of a configuration, for the doctor."""
    from claude_bridge.client import running_bridge  # noqa: PLC0415 - two commands need it
    from claude_bridge.doctor import command  # noqa: PLC0415 - one command needs it

    url = environment.base_url(config)
    named = file or environ.get("CLAUDE_BRIDGE_CONFIG")
    found = named or next((each for each in config_files(environ) if Path(each).exists()), None)
    since = None
    try:
        seen = running_bridge.ask(running_bridge.find(environ), "GET", "/status").body["configuration"]
        since = float(seen["since"]) if found and source_file(str(seen["source"])) == found else None
    except (running_bridge.NoBridge, KeyError, TypeError, ValueError):
        pass
    settings = environment.as_json(environment.settings(config, url)) if url is not None else "{}"
    return command.Bridge(url=url, settings=settings, file=found, since=since)


def usage(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print what was used, or change the ledger as asked."""
    from claude_bridge.services.accounting.store.errors import NoLedger  # noqa: PLC0415 - no other command needs these
    from claude_bridge.usage import command  # noqa: PLC0415

    order = command.Order(
        words=options.words,
        by=options.by,
        since=options.since,
        form=options.form or "text",
        session=options.session,
        key=options.key,
    )
    environ = surroundings.environ
    try:
        if options.words[:1] == ["budgets"]:
            config = load(options.config, environ, resolve_secrets=False)
            path = options.database or command.find(config, environ)
            return command.run_budgets(order, config, path, datetime.now(UTC), sys.stdout, sys.stderr)
        path = options.database or command.find(load(options.config, environ, resolve_secrets=False), environ)
        return command.run(order, path, datetime.now(UTC), sys.stdout, sys.stderr)
    except command.Misuse as error:
        options.error(str(error))
    except NoLedger as error:
        sys.stderr.write(f"claude-bridge usage: {error}\n")
    except BrokenPipeError:  # whoever reads has enough, as `head` has
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - or Python complains at its end
    return 1


def dump_config(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print the configuration in force, defaults included."""
    from claude_bridge.services.knowledge.store import restored_detection  # noqa: PLC0415 - no other command needs it

    config = load(_file(options), surroundings.environ)
    directory = state_directory(config.server.state_dir, surroundings.environ)
    known = restored_detection(directory, config.backends, KINDS)
    sys.stdout.write(dump(config, known.dialect_of, directory))
    return 0


def routes(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print the routes and names of the configuration."""
    from claude_bridge.client import route_table  # noqa: PLC0415 - no other command needs it

    sys.stdout.write(route_table.route_table(load(_file(options), surroundings.environ)))
    return 0


def explain_route(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print which route a saved request takes, and why."""
    from claude_bridge.client import route_explanation  # noqa: PLC0415 - no other command needs what it imports

    config = load(_file(options), surroundings.environ)
    try:
        shown = route_explanation.explanation(config, _request(options.request, config.limits.max_body))
    except (OSError, BridgeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        sys.stderr.write(f"claude-bridge {_EXPLAIN}: {options.request}: {reason}\n")
        return 1
    sys.stdout.write(shown)
    return 0


def prices(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print what is known of the prices of models, and from where."""
    from claude_bridge.doctor import price_report  # noqa: PLC0415 - no other command needs it

    config = load(options.config, surroundings.environ)
    sys.stdout.write(str(price_report.price_report(config, listed=options.all)))
    return 0


def _request(name: str, max_body: int) -> bytes:
    """Return a saved request. Raises `OSError`, and `RequestTooLarge` for one that no client could send."""
    limit = max_body + _MAX_RECORD
    if name == "-":
        content = sys.stdin.buffer.read(limit + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(limit + 1)
    if len(content) > limit:
        raise RequestTooLarge(f"it is larger than [limits] max_body, {max_body} bytes")
    return content


def run(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Run the daemon in this process."""
    told = {
        "--config": _file(options),
        "--listen": options.listen,
        "--state-dir": options.state_dir,
        "--log-format": options.log_format,
    }
    arguments = [f"{name}={value}" for name, value in told.items() if value is not None]
    arguments += ["--check-config"] * options.check_config + ["--dump-config"] * options.dump_config
    surroundings.serve(arguments)
    return 0


def reload(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Make a running daemon reload its configuration, and print the result."""
    from claude_bridge.client import outdated_settings, running_bridge  # noqa: PLC0415 - no other command needs both

    try:
        path = options.socket or running_bridge.find(surroundings.environ)
        is_set_up = outdated_settings.has_receipt(surroundings.environ, Path.cwd())
        status, told, wrong = running_bridge.reload(path, is_set_up=is_set_up)
    except running_bridge.NoBridge as error:
        sys.stderr.write(f"claude-bridge reload: {error}\n")
        return running_bridge.EXIT_UNAVAILABLE
    sys.stdout.writelines(f"{line}\n" for line in told)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return status
