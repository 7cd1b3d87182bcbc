"""`gateway features FILE`: everything that can be told of a recording: features with their units, zone, bearing, and a figure."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

SUMMARY = "measure a recording: every feature with its unit and band, the zone of the standard, the bearing; draw it"

_EPILOG = """
The file is a .wav, .csv or .npy, or raw float32 (.f32, .raw); the whole of it is one window. Acceleration is in m/s² or g;
declare it with --unit, or there is no velocity and no zone: nothing is guessed.
exit codes: 0 measured, whatever it found; 1 the signal itself is bad (no numbers, clipped, dead); 2 usage

  gateway features bearing.wav --unit g --rpm 1772 --bearing 6205-2RS --plot bearing.svg
  gateway features press.csv --column x --rate 25.6kHz --unit m/s² --iso group2-rigid --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", metavar="FILE", help="the recording")
    parser.add_argument("--rate", metavar="HZ", help="samples per second, such as 12000 or 25.6kHz; a .wav carries its own")
    parser.add_argument("--unit", metavar="UNIT", help="unit of the samples: m/s² (or m/s2) or g")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="value in the unit = stored value * X")
    parser.add_argument("--channel", type=int, default=1, metavar="N", help="channel of a .wav, counted from 1")
    parser.add_argument("--column", metavar="NAME", help="column of a .csv: its name, or its number counted from 1")
    parser.add_argument(
        "--rpm",
        metavar="R",
        help="speed of the shaft in revolutions per minute, right to 2 %%; or between which it is, as 1400-1500",
    )
    parser.add_argument(
        "--bearing",
        metavar="TYPE",
        help="type such as 6205-2RS, or multiples of the shaft: outer=3.585,inner=5.415,element=2.357,cage=0.398",
    )
    parser.add_argument("--teeth", type=int, metavar="N", help="teeth of the gear on the shaft")
    parser.add_argument("--iso", metavar="GROUP", help="group of the machine for its zone A to D, such as group2-rigid")
    parser.add_argument("--plot", metavar="OUT.svg", help="draw waveform, spectrum and envelope spectrum with marked lines")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Measure and print.

    0: done, 1: the signal is bad, 2: usage.
    """
    from gateway.cli._features_input import UsageError, read
    from gateway.cli._features_measure import measure
    from gateway.cli._features_show import text

    try:
        wave = read(args)
        result = measure(wave, args)
    except UsageError as error:
        print(f"gateway features: {error}", file=sys.stderr)
        return 2
    if args.plot:
        from gateway.cli._features_plot import plot

        try:
            Path(args.plot).write_text(plot(wave, result), encoding="utf-8")
        except OSError as error:
            print(f"gateway features: --plot: {args.plot} cannot be written: {error.strerror}", file=sys.stderr)
            return 2
    if args.json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join([*text(result), *([f"drawn: {args.plot}"] if args.plot else [])]))
    return 0 if result["quality"] == "good" else 1
