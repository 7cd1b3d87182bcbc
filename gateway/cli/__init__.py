"""The command line: `gateway VERB`. One file per verb; only the module of the verb that is called is imported.

A verb's module has `SUMMARY`, `add_arguments(parser)` and `run(args) -> int`. Exit codes: 0 good, 1 findings, 2 usage,
3 not reachable, 130 stopped by Ctrl-C, 141 the reader of the output went away.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence

from gateway import __version__

VERBS: dict[str, str] = {
    "run": "run the gateway with a configuration",
    "demo": "run a simulated shop with a live table; needs no machine, broker or configuration",
    "check": "check a configuration offline: all problems at once, each with its place and a cure",
    "try": "read one machine once: addresses, bytes, values, and what is wrong, in words",
    "poll": "read registers of a Modbus device without a configuration; takes mbpoll's flags",
    "scan": "find out what hangs on a bus or in a network; only reads, and ends with a ready site.yaml",
    "plan": "show how machines will be read: requests, bytes and time per scan, and whether their periods can be kept",
    "apply": "change the running gateway to a configuration; only machines whose entry changed restart",
    "profiles": "list, search and show the devices that are known as data, ready for 'profile:' in a machine",
    "features": "measure a recording: every feature with its unit and band, the zone of the standard, the bearing; draw it",
    "decode": "show what is in messages that a gateway sent, from files or a pipe; finds out format and compression by itself",
    "schema": "print the JSON Schema of site.yaml, share.yaml or a profile, for editors",
    "status": "show how the running gateway is doing: machines, outbox, uplink, clock",
    "baseline": "show what was learned of the machines, and let one be learned anew after maintenance",
    "alarms": "list the alarms of the machines; acknowledge, shelve, or take one out of service",
    "captures": "list the waveforms that were kept when alarms came, and where they lie",
    "doctor": "check this computer: clock, permissions, disk, broker, devices; with a cure for each finding",
}
"""Every verb and what it does; kept here so that `gateway --help` imports none of them."""

_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # … and ° where the terminal or the pipe has none
    try:
        return _main(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # what is still buffered goes nowhere, instead of failing again when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED


def _main(arguments: list[str]) -> int:
    if not arguments:
        print(_help(), file=sys.stderr)
        return 2
    verb, *rest = arguments
    if verb in {"-h", "--help", "help"}:
        if rest and rest[0] in VERBS:
            return _main([rest[0], "--help"])
        print(_help())
        return 0
    if verb in {"-V", "--version", "version"}:
        print(f"gateway {__version__}")
        return 0
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, 1, 0.5)
        guess = f", did you mean 'gateway {near[0]}'?" if near else f"; known: {', '.join(VERBS)}"
        what = "option" if verb.startswith("-") else "command"
        print(f"gateway: unknown {what} '{verb}'{guess}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"gateway.cli.{verb}")
    parser = argparse.ArgumentParser(prog=f"gateway {verb}", description=f"{module.SUMMARY[:1].upper()}{module.SUMMARY[1:]}.")
    module.add_arguments(parser)
    try:
        args = parser.parse_args(rest)
    except SystemExit as end:
        return int(end.code or 0)
    code = int(module.run(args))
    sys.stdout.flush()
    return code


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {summary}" for verb, summary in VERBS.items())
    return (
        "usage: gateway COMMAND [ARGUMENT…] [--json]\n\n"
        "Makes an old machine readable, and forwards only what its owner has released.\n\n"
        f"{verbs}\n\n"
        "gateway COMMAND --help   says more about one of them\n"
        "gateway --version        prints the version\n\n"
        "exit codes: 0 good, 1 findings, 2 usage, 3 not reachable"
    )
