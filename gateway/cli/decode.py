"""`gateway decode FILE|-`: what is in a message that a gateway sent: of the batch lane, whatever its version, or Sparkplug."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

SUMMARY = "show what is in messages that a gateway sent, from files or a pipe; finds out format and compression by itself"

_PROTOBUF = (b"\x08", b"\x12", b"\x18")
"""First bytes of a Sparkplug payload: the keys of its fields timestamp, metrics and seq."""

_EPILOG = """
A file holds one message as it was sent, or lines: JSON, or hexadecimal digits as 'mosquitto_sub -F %x' writes them, also with the
topic before them. Live from a broker: mosquitto_sub -h BROKER -t 'coop/#' -t 'spBv1.0/SITE/#' -F '%t %x' | gateway decode -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("files", metavar="FILE", nargs="+", help="a file with a message, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print a line of JSON per record")


def run(args: argparse.Namespace) -> int:
    """Print the records of every message.

    0: all were messages, 1: something was none, 2: there is no such file.
    """
    from gateway.cli._decode_input import Unreadable, messages
    from gateway.uplink.errors import FormatError

    code = 0
    for name in args.files:
        try:
            for place, payload in messages(name):
                try:
                    show(payload, as_json=args.json)
                except FormatError as error:
                    code = max(code, 1)
                    _say(f"{place}: {error}")
        except Unreadable as error:
            code = 2
            _say(str(error))
    return code


def show(payload: bytes, *, as_json: bool) -> None:
    """Print one message.

    Raises:
        FormatError: it is none.
    """
    from gateway.cli._decode_table import heading, table
    from gateway.uplink.batch import read
    from gateway.uplink.flat import flat_row

    if payload[:1] in _PROTOBUF:
        show_sparkplug(payload, as_json=as_json)
        return
    message, found = read(payload)
    rows = [{"site": message.site, "gateway": message.gateway, **flat_row(message, row)} for row in found]
    rows.sort(key=lambda row: int(row["seq"]))
    if as_json:
        _print_lines(rows)
    else:
        print("\n".join([heading(message, payload, rows), *table(rows), ""]), flush=True)


def show_sparkplug(payload: bytes, *, as_json: bool) -> None:
    """Print a payload of the live lane, metric by metric.

    Raises:
        FormatError: it is none.
    """
    from gateway.cli._decode_table import metrics
    from gateway.uplink.sparkplug.show import plain

    shown = plain(payload)
    if as_json:
        about = {key: value for key, value in shown.items() if key != "metrics"}
        _print_lines([{"message": about, **metric} for metric in shown["metrics"]])
    else:
        print("\n".join([*metrics(shown, len(payload)), ""]), flush=True)


def _print_lines(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    sys.stdout.flush()


def _say(words: str) -> None:
    print(f"gateway decode: {words}", file=sys.stderr)
