"""The commands that run a bridge or look at one and its backends: run, reload, doctor, usage, usage prices and demo.

Each imports what it alone needs when it runs, so that no other command waits for it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import evolve

from claude_bridge.cli.surroundings import Surroundings, known_limits, named_file
from claude_bridge.client import environment
from claude_bridge.config import fields
from claude_bridge.config.directories import config_files
from claude_bridge.config.load import load, parse, read_file
from claude_bridge.config.problems import nearest
from claude_bridge.config.schema import Config
from claude_bridge.config.variables import source_file


def run(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Run the daemon in this process."""
    told = {
        "--config": named_file(options),
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
    if wanted.local:
        outdated = [] if bridge.url is None else _outdated(config, bridge.url, options.config, environ)
        bridge = evolve(bridge, outdated=[*outdated, *_outdated_prices(config, bridge.file)])
    return command.run(config, wanted, environ, bridge, out=sys.stdout, err=sys.stderr)


def _outdated(config: Config, url: str, file: str | None, environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with Claude Code's settings that are of an earlier configuration."""
    from claude_bridge.client import outdated_settings  # noqa: PLC0415 - one command needs it

    found = outdated_settings.outdated_settings(config, url, known_limits(config, environ), environ, Path.cwd(), file)
    return [str(each) for each in found]


def _outdated_prices(config: Config, file: str | None) -> list[str]:
    """Return what is wrong with the prices that Claude Code was told of an earlier configuration."""
    from claude_bridge.client import managed_prices, outdated_prices  # noqa: PLC0415 - one command needs these
    from claude_bridge.doctor import price_report  # noqa: PLC0415

    def now() -> managed_prices.ClientPrices:
        report = price_report.price_report(config)
        prices = managed_prices.client_prices(config, report.settled_price_of, report.pins(config.backends))
        return evolve(prices, is_whole=not report.silent)

    told = outdated_prices.outdated_prices(managed_prices.managed_file(), file, now)
    return [told] if told else []


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
    from claude_bridge.usage.order import Misuse, Order  # noqa: PLC0415

    order = Order(
        words=options.words,
        by=options.by,
        since=options.since,
        until=options.until,
        form=options.form or "text",
        session=options.session,
        key=options.key,
    )
    environ = surroundings.environ
    try:
        file = command.LedgerFile(path=options.database, is_named=True) if options.database else None
        if order.action == "budgets":
            config = load(options.config, environ, resolve_secrets=False)
            file = file or command.find(config, environ)
            return command.run_budgets(order, config, file, datetime.now(UTC), sys.stdout, sys.stderr)
        file = file or command.find(load(options.config, environ, resolve_secrets=False), environ)
        return command.run(order, file, datetime.now(UTC), sys.stdout, sys.stderr)
    except Misuse as error:
        options.error(str(error))
    except NoLedger as error:
        sys.stderr.write(f"claude-bridge usage: {error}\n")
    except BrokenPipeError:  # whoever reads has enough, as `head` has
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - or Python complains at its end
    return 1


def prices(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print what is known of the prices of models, and from where."""
    from claude_bridge.doctor import price_report  # noqa: PLC0415 - no other command needs it

    config = load(options.config, surroundings.environ)
    sys.stdout.write(str(price_report.price_report(config, listed=options.all)))
    return 0


def demo(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Return the demonstration."""
    from claude_bridge.demo import show  # noqa: PLC0415 - the other commands need none of it

    return show.run(surroundings.environ, sys.stdout, sys.stderr, once=options.once)
