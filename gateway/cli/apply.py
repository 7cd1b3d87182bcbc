"""`gateway apply site.yaml`: check a configuration and change the running gateway to it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from gateway.cli._site import MISSING, is_missing
from gateway.cli.run import add_data_argument, data_folder

SUMMARY = "change the running gateway to a configuration; only machines whose entry changed restart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("site", metavar="site.yaml", help="the configuration")
    add_data_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Check, then apply; 1: the configuration has problems and nothing changed, 2: there is no such file, 3: no gateway runs."""
    from gateway.config import ConfigError, load_config
    from gateway.control import NotRunning, request

    if is_missing("apply", args.site):
        return MISSING
    try:
        load_config(args.site)
        answer = request(data_folder(args), "apply", path=str(Path(args.site).absolute()))
    except ConfigError as error:
        answer = {"problems": str(error)}
    except NotRunning as error:
        print(f"gateway apply: {error}", file=sys.stderr)
        return 3
    if args.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif "problems" in answer:
        print(answer["problems"], file=sys.stderr)
        print("nothing was changed", file=sys.stderr)
    elif "error" in answer:
        print(f"gateway apply: {answer['error']}", file=sys.stderr)
    else:
        for word in ("started", "stopped", "restarted"):
            if answer[word]:
                print(f"{word}: {', '.join(answer[word])}")
        for change in answer["recipients"]:
            print(change)
        kept = len(answer["kept"])
        print(f"{kept} {'machine' if kept == 1 else 'machines'} kept polling")
    return 1 if "problems" in answer or "error" in answer else 0
