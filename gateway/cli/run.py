"""`gateway run site.yaml`: run the gateway in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.cli._site import MISSING, is_missing

SUMMARY = "run the gateway with a configuration"


def add_data_argument(parser: argparse.ArgumentParser, default: Any = None) -> None:
    """Add `--data`, which every command that touches the data folder has."""
    parser.add_argument(
        "--data", metavar="DIR", type=Path, default=default, help="data folder (default: $STATE_DIRECTORY, else ./var)"
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
    parser.add_argument(
        "--loop",
        choices=("auto", "asyncio", "uvloop"),
        default="auto",
        help="event loop; auto: uvloop where it is installed (pip install 'retrofit-gateway[fast]')",
    )


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop; None stands for asyncio's own.

    Raises:
        ImportError: uvloop was asked for and is not installed.
    """
    if name == "asyncio":
        return None
    try:
        module = importlib.import_module("uvloop")
    except ImportError:
        if name == "auto":
            return None
        raise
    factory: Callable[[], asyncio.AbstractEventLoop] = module.new_event_loop
    return factory


def run(args: argparse.Namespace) -> int:
    """Run until told to stop; 1: problems in the configuration, 2: no such file, or data folder or event loop cannot be used."""
    from gateway import log
    from gateway.config import ConfigError, load_config
    from gateway.control import AlreadyRunning, DataFolder

    try:
        factory = loop_factory(args.loop)
    except ImportError:
        print("gateway run: uvloop is not installed; pip install 'retrofit-gateway[fast]', or leave --loop out", file=sys.stderr)
        return 2
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
    gc.collect()  # what reading the files left behind is returned before the gateway grows into its own size,
    gc.freeze()  # and what stays for good, every point, is not looked at again by each collection
    log.setup(json=True if args.json else None, level=args.log)

    from gateway.app import App

    async def main() -> None:
        await App(config, folder).run()

    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())
    finally:
        folder.close()
    return 0
