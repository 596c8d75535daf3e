"""Measure the daemon: ``python -m benchmarks [SCENARIO ...] [--repeat N]``, or ``python -m benchmarks stalls|ledger``.

Every run has a new daemon, in front of a fake backend, all on loopback, and every answer is checked: the exit status
is 1 if one was wrong. Just before each run the same is asked of a relay, a Twisted process that only passes on requests
and answers; multiples of its figures can be compared across machines. The smallest of all rounds counts; brackets
have the least and the most. Measure on a quiet machine: neighbours cost a large program more of its caches than a small
one, so multiples grow with them. Goals are only printed, for a busy machine is nobody's mistake.
Another gateway can be measured with --url, --pid and --backend-port: it must be running, speak the Messages API, have
http://127.0.0.1:BACKEND_PORT/v1 as its backend, in the Messages API for the scenarios named *_passed, and pass on the
model name "bench-model".
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from benchmarks import children, ledger, processes, report
from benchmarks.children import Gateway
from benchmarks.load import Address
from benchmarks.measure import run
from benchmarks.results import Comparison
from benchmarks.scenarios import MOST_STREAMS, SCENARIOS, Scenario
from benchmarks.stalls import run as stalls

MOST_REPEATS = 20
MOST_REQUESTS = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["stalls"]:
        return stalls.main(given[1:])
    if given[:1] == ["ledger"]:
        return ledger.main(given[1:])
    options = _options(given)
    processes.allow_many_files()
    try:
        results = asyncio.run(_until_told(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    except (children.NotStarted, processes.Gone) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(report.table(results))
    wrong = report.mistakes(results)
    sys.stderr.write(wrong)
    return 1 if wrong else 0


async def _until_told(options: argparse.Namespace) -> dict[str, Comparison]:
    """Measure, and clean up on SIGTERM as on Ctrl-C."""
    task = asyncio.ensure_future(_measure(options))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def _measure(options: argparse.Namespace) -> dict[str, Comparison]:
    """Run all scenarios, one after the other, and that ``--repeat`` times."""
    scenarios = [_sized(SCENARIOS[name], options) for name in dict.fromkeys(options.scenarios or SCENARIOS)]
    results = {scenario.name: Comparison() for scenario in scenarios}
    async with children.backend(options.backend_port) as port:
        for turn in range(options.repeat):
            for scenario in scenarios:
                sys.stderr.write(f"run {turn + 1} of {options.repeat}: {scenario.name}\n")
                await _round(scenario, results[scenario.name], options, port)
    return results


async def _round(scenario: Scenario, results: Comparison, options: argparse.Namespace, backend_port: int) -> None:
    """Run a scenario once: with the relay if it can do the same, and then with the gateway."""
    if scenario.relayed:
        async with children.relay(backend_port) as relay:
            results.relay.add(await run(scenario, relay))
    async with _gateway(options, backend_port, scenario.kind) as gateway:
        results.gateway.add(await run(scenario, gateway))


@asynccontextmanager
async def _gateway(options: argparse.Namespace, backend_port: int, kind: str) -> AsyncIterator[Gateway]:
    if options.url is not None:
        yield Gateway(address=options.url, pids=tuple(options.pid))
        return
    async with children.daemon(backend_port, kind) as gateway:
        yield gateway


def _sized(scenario: Scenario, options: argparse.Namespace) -> Scenario:
    if scenario.stamped:
        return scenario.of(options.streams, options.streams)
    if scenario.name == "idle" or options.requests is None:
        return scenario
    return scenario.of(options.requests, scenario.clients)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", type=_scenario, metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--repeat", type=_up_to(MOST_REPEATS), default=1, help="runs; the smallest time counts")
    parser.add_argument("--requests", type=_up_to(MOST_REQUESTS), help="in a run, of all but slow ones and idle")
    parser.add_argument("--streams", type=_up_to(MOST_STREAMS), default=500, help="of slow ones (default: 500)")
    parser.add_argument("--url", type=_address, help="measure the gateway at this address")
    parser.add_argument("--pid", type=int, action="append", default=[], help="its process; once for each")
    parser.add_argument("--backend-port", type=int, default=0, help="where that gateway expects its backend")
    options = parser.parse_intermixed_args(arguments)
    if bool(options.url) != bool(options.pid) or bool(options.url) != bool(options.backend_port):
        parser.error("--url, --pid and --backend-port belong together")
    return options


def _scenario(text: str) -> str:
    if text not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"no scenario {text}; there are {', '.join(SCENARIOS)}")
    return text


def _up_to(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        with suppress(ValueError):
            if 1 <= int(text) <= most:
                return int(text)
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {most}")

    return count


def _address(text: str) -> Address:
    url = urlsplit(text)
    if url.scheme != "http" or not url.hostname:
        raise argparse.ArgumentTypeError("must be an http:// address")
    return Address(host=url.hostname, port=url.port or 80, path=f"{url.path.rstrip('/')}/v1/messages")


if __name__ == "__main__":
    sys.exit(main())
