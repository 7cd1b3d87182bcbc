"""`gateway poll HOST`: mbpoll's flags, because hands know them; read-only, with the gateway's own driver."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import sys
from typing import TYPE_CHECKING

from gateway.cli.run import add_data_argument

if TYPE_CHECKING:
    from gateway.cli._poll_flags import Wanted
    from gateway.cli._try_read import Attempt, Row

SUMMARY = "read registers of a Modbus device without a configuration; takes mbpoll's flags"
_EPILOG = """\
exit codes: 0 good, 1 something could not be read, 2 usage, 3 not reachable

examples:
  gateway poll -m rtu -a 1:10 -r 17 -c 4 -t 4:float -b 9600 -P even /dev/ttyUSB0
  gateway poll -a 1,3 -r 1 -c 10 -1 10.0.0.21
It only reads. Registers that the device does not know are named one by one;
the others are shown all the same.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from gateway.cli._poll_flags import declare

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    declare(parser)
    add_data_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per read")


def run(args: argparse.Namespace) -> int:
    """Poll until Ctrl-C, or once; 0: good, 1: something was not read, 2: usage, 3: nobody answered."""
    from gateway.cli._busy import CURE, folders, held
    from gateway.cli._poll_flags import wanted, within_rules
    from gateway.cli._rules import RuleBook
    from gateway.cli._site import Usage

    try:
        plan = within_rules(wanted(args), RuleBook())
    except Usage as mistake:
        print(f"gateway poll: {mistake}", file=sys.stderr)
        return 2
    if plan.note:
        print(f"! {plan.note}", file=sys.stderr)
    occupied = held(folders(args), plan.machines[0].link)
    if occupied is not None and occupied.exclusive:
        print(f"gateway poll: {occupied.sentence}; {CURE}", file=sys.stderr)
        return 3
    return asyncio.run(_poll(plan, args))


async def _poll(plan: Wanted, args: argparse.Namespace) -> int:
    from gateway.cli._try_read import Session
    from gateway.cli.status import wrapped

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    session = Session(plan.machines[0])
    tables = [Session(machine).table for machine in plan.machines]
    codes: list[int] = []
    if not (args.json or args.quiet):
        print(wrapped(_head(plan), shutil.get_terminal_size().columns))
    due = loop.time()
    try:
        while not stop.is_set():
            worst: list[int] = []
            for unit, table in zip(plan.unit_numbers, tables, strict=True):
                session.table = table
                attempt = await session.round()
                worst.append(attempt.code)
                _print(plan, unit, attempt, args)
                if stop.is_set() or not session.connected:
                    break
            codes += worst
            if plan.once:
                break
            due += plan.every_s
            while due < loop.time():
                due += plan.every_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), due - loop.time())
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        await session.close()
    if not (plan.once or args.json or args.quiet):
        bad = sum(code > 0 for code in codes)
        print(f"--- {len(codes)} reads, {bad} failed ({100 * bad / max(1, len(codes)):.1f} %)")
    if codes and all(code == 3 for code in codes):
        return 3
    return 1 if any(codes) else 0


def _head(plan: Wanted) -> str:
    link = plan.machines[0].link
    options = link.options
    where = link.url
    if link.address.startswith("/"):
        data = options.data or (7 if link.scheme == "modbus-ascii" else 8)
        where += f", {options.baud or 19200} {data}{options.parity or 'E'}{options.stop or 1}"
    units = ",".join(map(str, plan.unit_numbers))
    return f"{where}, unit {units}, timeout {options.timeout:g} s" + ("" if plan.once else "; Ctrl-C ends it")


def _print(plan: Wanted, unit: int, attempt: Attempt, args: argparse.Namespace) -> None:
    from gateway.cli import _try_show as show
    from gateway.cli.status import wrapped

    width = shutil.get_terminal_size().columns
    if args.json:
        print(json.dumps({"unit": unit} | show.as_json(attempt), ensure_ascii=False), flush=True)
        return
    lines = [f"-- Polling slave {unit}..."]
    if args.frames:
        lines += show.dump(attempt.frames, attempt.frames[0].at_s if attempt.frames else 0.0, width)
    if attempt.error:
        lines += [wrapped(f"✗ {attempt.error}", width)]
        lines += [wrapped(f"  → {attempt.hint}", width)] if attempt.hint else []
    lines += [_line(plan, i, row, narrow=width < 64) for i, row in enumerate(attempt.rows)]
    if told := next((row for row in attempt.rows if row.hint), None):
        lines.append(wrapped(f"  → {told.reason}; {_reference_number(plan) or told.hint}", width))
    print("\n".join(lines), flush=True)


def _line(plan: Wanted, i: int, row: Row, *, narrow: bool) -> str:
    """Return `[17]: <tab> 16` as mbpoll does, and behind it, or below, the address in both countings."""
    number = plan.first + i * plan.step
    if narrow:
        return f"[{number}]: \t{_value(plan.form, row)}\n    {row.manual} (wire {row.wire})"
    return f"[{number}]: \t{_value(plan.form, row):<16} {row.manual} (wire {row.wire})"


def _reference_number(plan: Wanted) -> str:
    """Return what to write when the reference of a manual was given, which carries its table in the first digit."""
    at = next(iter(plan.machines[0].points.values())).at
    digit = {"holding": 4, "input": 3, "discrete": 1}.get(at.table, 0)
    for base in (digit * 10000, digit * 100000):
        if digit and base < plan.first < base + 10000:
            return f"{plan.first} looks like the reference number of a manual; as a flag it is -t {digit} -r {plan.first - base}"
    return ""


def _value(form: str, row: Row) -> str:
    from gateway.cli._try_show import shown

    value = row.value
    if row.quality == "bad" or value is None:
        return "✗"
    if form == "hex":
        return f"0x{int(value):04X}"
    if form == "float":
        return f"{value:g}"
    if isinstance(value, bool):
        return str(int(value))
    if form == "" and isinstance(value, int) and value >= 0x8000:
        return f"{value} ({value - 0x10000})"
    return shown(value)
