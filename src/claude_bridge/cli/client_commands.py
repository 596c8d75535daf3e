"""The commands that start or set up Claude Code: launch, env, setup, undo and statusline.

Each imports what it alone needs when it runs, so that no other command waits for it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from claude_bridge.cli.surroundings import Surroundings, known_limits, named_file
from claude_bridge.client import environment, status_setting
from claude_bridge.client.offer import Offer, of_bridge, of_configuration
from claude_bridge.config.load import load
from claude_bridge.config.schema import Config
from claude_bridge.config.variables import source_file
from claude_bridge.core.model_names import plain_name


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
    config = load(named_file(options), surroundings.environ, resolve_secrets=False)
    url = options.url or environment.base_url(config) or ("" if options.aliases else None)
    if url is None:
        sys.stderr.write("claude-bridge env: no listener has a fixed TCP port; give the bridge's address with --url\n")
        return 1
    found = _offer(config, url, options, surroundings.environ)
    if options.aliases:
        chosen = ["--url", options.url] if options.url else []
        chosen = ["--config", str(Path(file).absolute())] if (file := named_file(options)) and not chosen else chosen
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
    return of_configuration(config, url, known_limits(config, environ))


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
    environ, file = surroundings.environ, named_file(options)
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
    limits, asked = known_limits(config, environ), None if options.dry_run else person
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
    pins = report.pins(config.backends)
    found = managed_prices.client_prices(config, report.price_of, pins, says_cost=report.says_cost)
    source = source_file(config.source)
    write = managed_prices.print_prices if options.print or options.dry_run else managed_prices.write_prices
    done = write(found, managed_prices.managed_file(), source)
    return done.write("setup", sys.stdout, sys.stderr)


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
