"""The parsers of the command line: every command with its options, its help and the function that runs it."""

from __future__ import annotations

import argparse
from typing import Any, Final, NoReturn, get_args

from claude_bridge.cli import client_commands, configuration_commands, running_commands
from claude_bridge.cli.command_names import EXPLAIN, LAUNCH, NEW_KEY, PRICES
from claude_bridge.config.schema import LogFormat
from claude_bridge.core.kinds import KINDS
from claude_bridge.release import product

_NO_STATUS_LINE: Final = "leave out the status line of claude-bridge"


class Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line; ``--help`` says more."""

    def error(self, message: str) -> NoReturn:
        """Write the line and exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Instead(argparse.Action):
    """An option of other servers; the error says what it is called here."""

    def __call__(self, parser: argparse.ArgumentParser, _namespace: object, values: Any, option: Any = None) -> None:  # noqa: ANN401 - as argparse has them
        """Report the error."""
        parser.error(f"there is no {option}: {self.const.format(values)}")


def parsers() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the command line, and those of the commands by name."""
    parser = Parser(
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
    command.set_defaults(command=running_commands.demo)

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
    command.set_defaults(command=client_commands.env)

    _setup_options(commands)

    command = _with_config(commands, "check-config", "report every mistake in the configuration")
    command.add_argument(
        "--online",
        action="store_true",
        help="check each backend too; spends no tokens; exit status 1 if one is down, cannot be used, or does not "
        "list a model that the configuration names",
    )
    command.set_defaults(command=configuration_commands.check_config)
    _with_config(commands, "dump-config", "print the whole configuration, secrets hidden").set_defaults(
        command=configuration_commands.dump_config
    )
    _with_config(commands, "routes", "print which models answer which requests").set_defaults(
        command=configuration_commands.routes
    )
    told = "say which route a saved request takes, and why"
    command = commands.add_parser(EXPLAIN, help=told, description=told)
    command.add_argument(
        "request",
        metavar="REQUEST",
        help="file with the JSON body, or with method, path, headers and body; - reads standard input",
    )
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=configuration_commands.explain_route, file=None)
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
    command.set_defaults(command=running_commands.reload)
    return parser, commands.choices


def _with_config(commands: argparse._SubParsersAction[Parser], name: str, help_: str) -> Parser:
    command = commands.add_parser(name, help=help_, description=help_)
    command.add_argument("file", nargs="?", metavar="FILE", help="configuration file; default: the usual places")
    command.add_argument("-c", "--config", metavar="FILE", help="the same as FILE")
    return command


def _launch_options(commands: argparse._SubParsersAction[Parser]) -> None:
    told = "start Claude Code here, and a bridge for it if none is running"
    command = commands.add_parser(
        LAUNCH, help=told, description=told, usage="%(prog)s [MODEL] [options] [-- Claude Code's arguments]"
    )
    command.add_argument("model", nargs="?", metavar="MODEL", help="the model's name; default: as the bridge decides")
    command.add_argument(
        "--url", help="a bridge or a backend; default: the bridge of the configuration, or at 127.0.0.1:8080"
    )
    command.add_argument("--print", action="store_true", help="show the command and the settings, and run nothing")
    command.add_argument("--no-statusline", action="store_true", help=_NO_STATUS_LINE)
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=client_commands.launch)


def _prices_options(commands: argparse._SubParsersAction[Parser]) -> None:
    told = "print which prices of models are known, and from where; asks the backends for their lists"
    command = commands.add_parser(PRICES, help=told, description=told)
    command.add_argument("--all", action="store_true", help="show every model that a backend lists, too")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=running_commands.prices)


def _key_options(commands: argparse._SubParsersAction[Parser]) -> None:
    told = "make a key for a client, print it once, and write its hash into the configuration"
    command = commands.add_parser(NEW_KEY, help=told, description=told)
    command.add_argument("name", metavar="NAME", help="whose key it is, for the log and the accounts")
    command.add_argument("--print", action="store_true", help="show the section to add, and write nothing")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=configuration_commands.new_key)
    told = "say how keys of clients are made and revoked"
    command = commands.add_parser("key", help=told, description=told)
    command.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    command.set_defaults(command=configuration_commands.about_keys)


def _init_options(commands: argparse._SubParsersAction[Parser]) -> None:
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
    command.set_defaults(command=configuration_commands.init)


def _import_options(commands: argparse._SubParsersAction[Parser]) -> None:
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
    command.set_defaults(command=configuration_commands.import_file)


def _doctor_options(commands: argparse._SubParsersAction[Parser]) -> None:
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
    command.set_defaults(command=running_commands.doctor)


def _usage_options(commands: argparse._SubParsersAction[Parser]) -> None:
    told = "show what was used, by whom, and what it cost"
    command = commands.add_parser(
        "usage",
        help=told,
        description=told,
        usage="%(prog)s [today | week | month | last-month | all | MONTH | TIME] [--until TIME]\n"
        "                           [--by WHAT] [--key NAME] [--json | --csv]\n"
        "       %(prog)s session ID [--json | --csv]\n"
        "       %(prog)s export [--since TIME] [--until TIME] [--key NAME] [--session ID]\n"
        "                           [--format jsonl | csv]\n"
        "       %(prog)s prices [--all]\n"
        "       %(prog)s budgets [--json]\n"
        "       %(prog)s compact\n"
        "       %(prog)s forget --session ID | --key NAME",
        epilog="A MONTH (2026-11) is that month alone. A TIME is a date (2026-11-30), how long ago (24h, 7d, 4w), or "
        "the beginning of one of these periods; times are in UTC. The file can be read while the bridge runs.",
    )
    command.add_argument("words", nargs="*", metavar="WHAT", help="a period (default: today), or one of the above")
    command.add_argument(
        "--by",
        choices=("model", "backend", "key", "session", "agent", "day", "hour"),
        help="of a period; default: model",
    )
    command.add_argument("--since", metavar="TIME", help="the beginning of an export; default: all")
    command.add_argument(
        "--until", metavar="TIME", help="the end of an export or a period, which is not in it; default: now"
    )
    form = command.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=f"print {name.upper()}")
    form.add_argument("--format", dest="form", choices=("jsonl", "csv"), help="of an export; default: jsonl")
    command.add_argument("--session", metavar="ID", help="the only session of an export, or that to forget")
    command.add_argument(
        "--key", metavar="NAME", help="only what was used with a [key:NAME], or the one to forget, with its sessions"
    )
    command.add_argument("--database", metavar="FILE", help="the ledger's file; default: by the configuration")
    command.add_argument("-c", "--config", metavar="FILE", help="configuration file; default: the usual places")
    command.set_defaults(command=running_commands.usage)


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
    command.set_defaults(command=running_commands.run)


def _setup_options(commands: argparse._SubParsersAction[Parser]) -> None:
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
    command.set_defaults(command=client_commands.setup, file=None)
    told = "take back what `claude-bridge setup` changed"
    command = commands.add_parser("undo", help=told, description=told)
    command.add_argument("--project", action="store_true", help=project)
    command.add_argument("--managed", action="store_true", help="the prices in the managed settings; needs root")
    command.set_defaults(command=client_commands.undo)
    told = "print the status line of Claude Code, which runs this command"
    commands.add_parser("statusline", help=told, description=told).set_defaults(command=client_commands.statusline)
