"""`gateway schema [site|share|profile]`: the JSON Schema of the files, made from the same structs as the check."""

from __future__ import annotations

import argparse
import json

SUMMARY = "print the JSON Schema of site.yaml, share.yaml or a profile, for editors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", nargs="?", choices=("site", "share", "profile"), default="site", help="which file (default: site)")
    parser.add_argument("--json", action="store_true", help="the schema is JSON anyway; print it on one line")


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    from gateway.config.schema import schema

    print(json.dumps(schema(args.kind), ensure_ascii=False, indent=None if args.json else 2))
    return 0
