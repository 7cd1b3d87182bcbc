"""`gateway schema [site|share|profile]`: the JSON Schema of the files, made from the same structs as the check."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Literal

SUMMARY = "print the JSON Schema of site.yaml, share.yaml or a profile, for editors"
_KINDS: dict[str, Literal["site", "share", "profile"]] = {"site": "site", "share": "share", "profile": "profile"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", metavar="site|share|profile", nargs="?", default="site", help="which file (default: site)")
    parser.add_argument("--json", action="store_true", help="the schema is JSON anyway; print it on one line")


def run(args: argparse.Namespace) -> int:
    """Print the schema; 2: there is none of this name."""
    from gateway.config.schema import schema
    from gateway.config.words import meant

    kind = _KINDS.get(Path(args.kind).stem if args.kind.endswith((".yaml", ".yml")) else args.kind)
    if kind is None:
        print(f"gateway schema: there is no schema '{args.kind}'{meant(args.kind, _KINDS)}", file=sys.stderr)
        return 2
    print(json.dumps(schema(kind), ensure_ascii=False, indent=None if args.json else 2))
    return 0
