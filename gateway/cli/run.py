"""`gateway run site.yaml`: run the gateway in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from gateway.cli._site import MISSING, is_missing

SUMMARY = "run the gateway with a configuration"


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--data`, which every command that touches the data folder has."""
    parser.add_argument(
        "--data", metavar="DIR", type=Path, default=None, help="data folder (default: $STATE_DIRECTORY, else ./var)"
    )


def data_folder(args: argparse.Namespace) -> Path:
    """Return the data folder that the arguments, the service manager or the default name."""
    if args.data is not None:
        return Path(args.data)
    return Path(os.environ.get("STATE_DIRECTORY", "var").split(":")[0])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("site", metavar="site.yaml", help="the configuration; share.yaml beside it says what may leave")
    add_data_argument(parser)
    parser.add_argument("--log", choices=("debug", "info", "warning", "error"), default="info", help="least level that is logged")
    parser.add_argument("--json", action="store_true", help="log JSON lines also on a terminal")


def run(args: argparse.Namespace) -> int:
    """Run until told to stop; 1: the configuration has problems, 2: there is no such file, or the data folder cannot be used."""
    from gateway import log
    from gateway.config import ConfigError, load_config
    from gateway.control import AlreadyRunning, DataFolder

    if is_missing("run", args.site):
        return MISSING
    try:
        config = load_config(args.site)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        folder = DataFolder(data_folder(args))
    except AlreadyRunning as error:
        print(f"gateway run: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        cure = "name a folder you may write to with --data DIR"
        print(f"gateway run: the data folder {data_folder(args)} cannot be used: {error.strerror}; {cure}", file=sys.stderr)
        return 2
    log.setup(json=True if args.json else None, level=args.log)

    from gateway.app import App

    async def main() -> None:
        await App(config, folder).run()

    try:
        asyncio.run(main())
    finally:
        folder.close()
    return 0
